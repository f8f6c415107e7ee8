//! LOAD_ATTR, and what STORE_ATTR shares with it.

use super::load_global::{keys_word, value_offset};
use crate::context::known;
use crate::dispatch::State;
use crate::shims;
use crate::table::op;
use core::ffi::c_int;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// What a type says about an attribute of its instances. Objects are borrowed from the type.
pub(crate) enum Kind {
    /// Nothing.
    Absent,
    /// A slot that holds an object.
    Slot(*mut PyMemberDescrObject),
    /// `__class__`, as every object has it.
    Class,
    /// A property.
    Property(*mut PropertyObject),
    /// A function or something that binds like one.
    Method(*mut PyObject),
    /// An object of a type that can never become a descriptor.
    Plain(*mut PyObject),
    /// All loads go through this function, the type's `__getattribute__`.
    Getattribute(*mut PyObject),
    /// Something that no specialization is for.
    Other,
}

/// Where an instance keeps an attribute.
pub(super) enum Place {
    /// Index in the inline values.
    Inline(usize),
    /// Index of the entry in the dictionary.
    Dict(usize),
}

/// `_Py_T_OBJECT`: a slot that reads as None when it is empty.
const T_OBJECT: c_int = 6;

/// Specializes for what the owner's type says about the attribute.
#[cold]
#[inline(never)]
pub unsafe fn load_attr(s: State) {
    match choose(s) {
        Some(op) => s.specialize(op),
        None if !shims::load(s).is_none() => s.specialize(op::LOAD_ATTR_FOR_METHOD),
        None => s.give_up(),
    }
}

pub(super) unsafe fn is_ready(t: *mut PyTypeObject) -> bool {
    has_feature(t, ffi::Py_TPFLAGS_READY)
}

/// The type's version, assigned now if it has none.
pub(super) unsafe fn type_version(t: *mut PyTypeObject) -> Option<u32> {
    (PyUnstable_Type_AssignVersionTag(t) != 0 && (*t).tp_version_tag != 0).then(|| (*t).tp_version_tag)
}

/// A cache word of a version and something else.
pub(super) fn word(version: u32, high: u32) -> u64 {
    u64::from(version) | u64::from(high) << 32
}

/// Whether attributes of instances are loaded as `object` does it.
pub(crate) unsafe fn loads_generically(t: *mut PyTypeObject) -> bool {
    let object = &raw const ffi::PyBaseObject_Type;
    (*t).tp_getattro.map(|f| f as usize) == (*object).tp_getattro.map(|f| f as usize)
}

/// Whether attributes of instances are stored as `object` does it.
unsafe fn stores_generically(t: *mut PyTypeObject) -> bool {
    let object = &raw const ffi::PyBaseObject_Type;
    (*t).tp_setattro.map(|f| f as usize) == (*object).tp_setattro.map(|f| f as usize)
}

/// Classifies an attribute. The answer holds as long as the type has the version that it has afterwards.
pub(crate) unsafe fn analyze(t: *mut PyTypeObject, name: *mut PyObject, store: bool) -> Kind {
    let object = &raw mut ffi::PyBaseObject_Type;
    let mut has_getattr = false;
    if store {
        if !stores_generically(t) {
            return Kind::Other;
        }
    } else if !loads_generically(t) {
        // A type's own C function shows as a `__getattribute__` other than `object`'s. If that is a Python function, or is
        // `object`'s and there is a `__getattr__`, the C function is one of the two (not exported) that call those.
        if (*t).tp_getattro.is_none() || !has_feature(t, TPFLAGS_HEAPTYPE) {
            return Kind::Other;
        }
        has_getattr = !type_lookup(t, known().name_getattr).is_null();
        let getattribute = type_lookup(t, known().name_getattribute);
        if getattribute != type_lookup(object, known().name_getattribute) {
            let is_function = !getattribute.is_null() && is_type(getattribute, &raw mut PyFunction_Type);
            if is_function && !has_getattr {
                return Kind::Getattribute(getattribute);
            }
            return Kind::Other;
        }
        if !has_getattr {
            return Kind::Other;
        }
        // With `__getattr__` alone, the attributes that are there are found as usual.
    }
    let descr = type_lookup(t, name);
    if descr.is_null() {
        return Kind::Absent;
    }
    let descr_type = ty(descr);
    if !has_feature(descr_type, ffi::Py_TPFLAGS_IMMUTABLETYPE) {
        // It may become a descriptor, or cease to be one, without the owner's type noticing.
        return Kind::Other;
    }
    if (*descr_type).tp_descr_set.is_some() {
        if descr_type == &raw mut PyMemberDescr_Type {
            let member = descr.cast::<PyMemberDescrObject>();
            let definition = &*(*member).d_member;
            let is_object = definition.type_code == ffi::Py_T_OBJECT_EX || definition.type_code == T_OBJECT;
            let is_audited = definition.flags & ffi::Py_AUDIT_READ != 0;
            return if is_object && !is_audited { Kind::Slot(member) } else { Kind::Other };
        }
        if descr_type == &raw mut PyProperty_Type {
            // A getter that raises AttributeError has `__getattr__` called.
            return if has_getattr { Kind::Other } else { Kind::Property(descr.cast()) };
        }
        if name == known().name_class && descr == type_lookup(object, name) {
            return Kind::Class;
        }
        if store {
            return Kind::Other;
        }
    }
    if (*descr_type).tp_descr_get.is_none() {
        return Kind::Plain(descr);
    }
    if has_feature(descr_type, TPFLAGS_METHOD_DESCRIPTOR) {
        return Kind::Method(descr);
    }
    Kind::Other
}

/// Offset of a slot, if it is one of the owner's.
pub(crate) unsafe fn slot_offset(owner: *mut PyObject, member: *mut PyMemberDescrObject) -> Option<u32> {
    if ffi::PyObject_TypeCheck(owner, (*member).d_type) == 0 {
        return None;
    }
    u32::try_from((*(*member).d_member).offset).ok().filter(|&offset| offset > 0)
}

/// Where an attribute that the type knows nothing of is, or is to be put.
pub(super) unsafe fn find_in_instance(owner: *mut PyObject, name: *mut PyObject, store: bool) -> Option<Place> {
    let t = ty(owner);
    if !has_feature(t, TPFLAGS_MANAGED_DICT) {
        return None;
    }
    let dict = managed_dict(owner);
    let inline = has_feature(t, TPFLAGS_INLINE_VALUES) && (*inline_values(owner)).valid != 0;
    if inline && (!store || dict.is_null()) {
        return find_interned(cached_keys(t), name).map(Place::Inline);
    }
    if dict.is_null() || !is_type(dict.cast(), &raw mut ffi::PyDict_Type) || !(*dict).ma_values.is_null() {
        return None;
    }
    if !keys_are_unicode((*dict).ma_keys) {
        return None;
    }
    find_interned((*dict).ma_keys, name).map(Place::Dict)
}

/// The version of a function that takes just `argcount` positional arguments.
unsafe fn simple_function_version(function: *mut PyObject, argcount: c_int) -> Option<u32> {
    if function.is_null() || !is_type(function, &raw mut PyFunction_Type) {
        return None;
    }
    let function = function.cast::<PyFunctionObject>();
    let code = (*function).func_code.cast::<PyCodeObject>();
    let simple = (*code).co_flags & (CO_VARARGS | CO_VARKEYWORDS | CO_OPTIMIZED) == CO_OPTIMIZED
        && (*code).co_kwonlyargcount == 0
        && (*code).co_argcount == argcount;
    (simple && (*function).func_version != 0).then(|| (*function).func_version)
}

unsafe fn choose(s: State) -> Option<u16> {
    let owner = s.peek(1);
    let name = s.name(s.oparg() >> 1);
    let is_call = s.oparg() & 1 != 0;
    let t = ty(owner);
    if !is_ready(t) {
        return None;
    }
    if is_type(owner, &raw mut ffi::PyModule_Type) {
        return choose_module(s, owner, name);
    }
    if has_feature(t, ffi::Py_TPFLAGS_TYPE_SUBCLASS) {
        return choose_class(s, owner, name);
    }
    let kind = analyze(t, name, false);
    let version = type_version(t)?;
    match kind {
        Kind::Absent => match find_in_instance(owner, name, false)? {
            Place::Inline(index) => {
                let slot = inline_value_slot(inline_values(owner), index);
                *s.cache(1) = word(version, (slot as usize - owner as usize) as u32);
                Some(op::LOAD_ATTR_INSTANCE_VALUE)
            }
            Place::Dict(index) => {
                *s.cache(1) = word(version, u32::try_from(index).ok()?);
                Some(op::LOAD_ATTR_WITH_HINT)
            }
        },
        Kind::Slot(member) => {
            if (*(*member).d_member).flags & ffi::Py_AUDIT_READ != 0 {
                return None;
            }
            *s.cache(1) = word(version, slot_offset(owner, member)?);
            Some(op::LOAD_ATTR_SLOT)
        }
        Kind::Class => {
            *s.cache(1) = word(version, core::mem::offset_of!(PyObject, ob_type) as u32);
            Some(op::LOAD_ATTR_SLOT)
        }
        Kind::Property(property) if !is_call => {
            let getter_version = simple_function_version((*property).prop_get, 1)?;
            *s.cache(1) = word(version, getter_version);
            *s.cache(2) = property as u64;
            Some(op::LOAD_ATTR_PROPERTY)
        }
        Kind::Getattribute(function) if !is_call => {
            let function_version = simple_function_version(function, 2)?;
            *s.cache(1) = word(version, function_version);
            *s.cache(2) = function as u64;
            Some(op::LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN)
        }
        Kind::Method(descr) if is_call => choose_from_type(s, owner, name, version, descr, true),
        Kind::Plain(descr) if !is_call => choose_from_type(s, owner, name, version, descr, false),
        _ => None,
    }
}

/// The attribute is found on the owner's type, unless the instance has one of the same name.
unsafe fn choose_from_type(
    s: State,
    owner: *mut PyObject,
    name: *mut PyObject,
    version: u32,
    descr: *mut PyObject,
    is_method: bool,
) -> Option<u16> {
    let t = ty(owner);
    *s.cache(2) = descr as u64;
    if has_feature(t, TPFLAGS_INLINE_VALUES) {
        let keys = cached_keys(t);
        if !keys_lack_string(keys, name) {
            return None;
        }
        let keys_version = keys_version(keys);
        if keys_version == 0 {
            return None;
        }
        *s.cache(1) = word(version, keys_version);
        return Some(if is_method {
            op::LOAD_ATTR_METHOD_WITH_VALUES
        } else {
            op::LOAD_ATTR_NONDESCRIPTOR_WITH_VALUES
        });
    }
    let offset = if has_feature(t, TPFLAGS_MANAGED_DICT) { MANAGED_DICT_OFFSET } else { (*t).tp_dictoffset };
    if offset == 0 {
        *s.cache(1) = word(version, 0);
        return Some(if is_method { op::LOAD_ATTR_METHOD_NO_DICT } else { op::LOAD_ATTR_NONDESCRIPTOR_NO_DICT });
    }
    // A negative offset of another kind counts from the end of objects of variable size.
    if !is_method || (offset < 0 && offset != MANAGED_DICT_OFFSET) {
        return None;
    }
    let dict = *owner.byte_offset(offset).cast::<*mut PyObject>();
    if !dict.is_null() {
        return None;
    }
    *s.cache(1) = word(version, i32::try_from(offset).ok()? as u32);
    Some(op::LOAD_ATTR_METHOD_LAZY_DICT)
}

unsafe fn choose_module(s: State, owner: *mut PyObject, name: *mut PyObject) -> Option<u16> {
    let dict = (*owner.cast::<PyModuleObject>()).md_dict;
    let keys = (*dict.cast::<PyDictObject>()).ma_keys;
    if (*keys).dk_kind != DICT_KEYS_UNICODE {
        return None;
    }
    // Modules have few attributes by their type that come before those of their own.
    let descr = type_lookup(ty(owner), name);
    if !descr.is_null() && (*ty(descr)).tp_descr_set.is_some() {
        return None;
    }
    *s.cache(1) = keys_word(keys, value_offset(keys, name)?)?;
    Some(op::LOAD_ATTR_MODULE)
}

/// The owner is a class, of a metaclass that has no such attribute and looks attributes up as `type` does. (A class that is exactly of type
/// `type` can never be of another type.)
unsafe fn choose_class(s: State, owner: *mut PyObject, name: *mut PyObject) -> Option<u16> {
    let class = owner.cast::<PyTypeObject>();
    let metaclass = ty(owner);
    if !looks_up_as_type(metaclass) || !type_lookup(metaclass, name).is_null() {
        return None;
    }
    let is_plain = metaclass == &raw mut ffi::PyType_Type;
    let kind = analyze(class, name, false);
    let version = type_version(class)?;
    let (Kind::Method(descr) | Kind::Plain(descr)) = kind else {
        return None;
    };
    let metaclass_version = if is_plain { 0 } else { type_version(metaclass)? };
    *s.cache(1) = word(version, metaclass_version);
    *s.cache(2) = descr as u64;
    Some(if is_plain { op::LOAD_ATTR_CLASS } else { op::LOAD_ATTR_CLASS_WITH_METACLASS })
}
