//! LOAD_ATTR and STORE_ATTR, as tier 1 has specialized them.
//!
//! The specialization's cache says where the attribute is; what the handler tests is tested here and guarded in the
//! superblock. (What the caches hold is described in tier 1's `ops/attributes.rs`.)

use super::{Lowering, Outcome};
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use core::mem::offset_of;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{Helper, Value};
use hotspur_tier1::context::{getter, known};
use hotspur_tier1::polymorphic;
use hotspur_tier1::table::op;

/// Offset of the first inline value in an instance.
const INLINE_VALUES: usize = size_of::<PyObject>() + offset_of!(DictValues, values);

impl Lowering<'_> {
    /// Guards that the owner's type has this version, as it really has. Types that cannot change are guarded by identity.
    pub(super) unsafe fn guard_version(&mut self, owner: Value, real: *mut PyObject, version: u32) {
        let class = ty(real);
        if facts::is_static(class) {
            self.f.guard_class(owner, class);
            return;
        }
        self.f.at();
        self.f.builder.guard_type_version(owner, version);
    }

    /// The attribute, which was loaded and may be null: guards that it is not, and takes a reference.
    unsafe fn attribute(&mut self, attr: Value) -> Value {
        self.f.info(attr).nullable = true;
        self.decide_null(attr, false);
        self.f.borrowed(attr)
    }

    /// Replaces the owner by the attribute, and says "no receiver" where a call follows.
    pub(super) unsafe fn loaded(&mut self, attr: Value) -> Option<Outcome> {
        let is_call = self.oparg() & 1 != 0;
        let owner = self.f.pop();
        self.f.push_value(attr);
        if is_call {
            self.f.push(Content::Null);
        }
        self.f.release(owner);
        self.done()
    }

    /// A constant found in a type whose version is guarded.
    pub(super) unsafe fn type_constant(&mut self, class: *mut PyTypeObject, object: *mut PyObject) -> Value {
        if is_immortal(object) {
            return self.f.constant(object, Keep::Immortal);
        }
        if facts::is_static(class) {
            return self.f.constant(object, Keep::Hold);
        }
        let v = self.f.constant(object, Keep::Guarded);
        self.f.borrowed(v)
    }

    /// The same for a function in Python that is entered.
    pub(super) unsafe fn type_function(&mut self, class: *mut PyTypeObject, function: *mut PyObject) -> Value {
        let v = self.type_constant(class, function);
        self.f.info(v).class = &raw mut PyFunction_Type;
        self.f.rely_on(function);
        v
    }
}

pub(super) unsafe fn load_attr(l: &mut Lowering) -> Option<Outcome> {
    let foreseen = foreseen(l);
    if foreseen.is_some() {
        return foreseen;
    }
    let shim = super::shims::load(l);
    if shim.is_some() {
        return shim;
    }
    let unforeseen = unforeseen(l);
    // That it is specialized for another type is a sign that there are many.
    let any = unforeseen.or_else(|| load_any_attr(l));
    if any.is_some() { any } else { super::c_code::attribute(l) }
}

/// An attribute of whatever has it.
pub(super) unsafe fn load_any_attr(l: &mut Lowering) -> Option<Outcome> {
    let name = l.s.name(l.oparg() >> 1);
    let is_call = l.oparg() & 1 != 0;
    if is_call && polymorphic::is_method(l.real(1), name) {
        return None;
    }
    if !polymorphic::finds_attribute(l.real(1), name) {
        return None;
    }
    let owner = l.f.peek(1)?;
    let owner = l.f.boxed(owner);
    let name = name_constant(l, name);
    let attr = l.found(Helper::AnyAttribute, &[owner, name])?;
    l.loaded(attr)
}

/// As tier 1 has specialized the instruction.
unsafe fn foreseen(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    let class = ty(real);
    let (version, high) = l.halves();
    let number = l.op();
    if number == op::LOAD_ATTR_MODULE {
        return module_attribute(l, version, high);
    }
    // All the others: the version of the owner's type.
    if (*class).tp_version_tag != version || version == 0 {
        return None;
    }
    let owner = l.f.peek(1)?;
    match number {
        op::LOAD_ATTR_INSTANCE_VALUE => {
            let offset = high as usize;
            if (*inline_values(real)).valid == 0 || (*real.byte_add(offset).cast::<*mut PyObject>()).is_null() {
                return None;
            }
            instance_value(l, ((offset - INLINE_VALUES) / size_of::<*mut PyObject>()) as u32)
        }
        op::LOAD_ATTR_SLOT => {
            if (*real.byte_add(high as usize).cast::<*mut PyObject>()).is_null() {
                return None;
            }
            l.guard_version(owner, real, version);
            let owner = l.f.boxed(owner);
            let attr = l.f.builder.load_slot(owner, high);
            let attr = l.attribute(attr);
            l.loaded(attr)
        }
        op::LOAD_ATTR_NONDESCRIPTOR_WITH_VALUES | op::LOAD_ATTR_METHOD_WITH_VALUES => {
            if (*inline_values(real)).valid == 0 || (*cached_keys(class)).dk_version != high {
                return None;
            }
            let attr = l.cached();
            not_in_instance(l, high)?;
            found_in_type(l, attr, number == op::LOAD_ATTR_METHOD_WITH_VALUES)
        }
        op::LOAD_ATTR_NONDESCRIPTOR_NO_DICT | op::LOAD_ATTR_METHOD_NO_DICT => {
            l.guard_version(owner, real, version);
            let attr = l.cached();
            found_in_type(l, attr, number == op::LOAD_ATTR_METHOD_NO_DICT)
        }
        _ => None,
    }
}

/// The attribute is one of the inline values, which are valid, and is there.
unsafe fn instance_value(l: &mut Lowering, index: u32) -> Option<Outcome> {
    let real = l.real(1);
    let owner = l.f.peek(1)?;
    l.guard_version(owner, real, (*ty(real)).tp_version_tag);
    l.f.at();
    l.f.builder.guard_inline_values(owner);
    let attr = l.f.builder.load_inline(owner, index);
    let attr = l.attribute(attr);
    l.loaded(attr)
}

/// Guards that the owner's inline values, which are valid, have no such attribute: their keys have this version.
unsafe fn not_in_instance(l: &mut Lowering, keys_version: u32) -> Option<()> {
    let real = l.real(1);
    let owner = l.f.peek(1)?;
    l.guard_version(owner, real, (*ty(real)).tp_version_tag);
    l.f.at();
    l.f.builder.guard_inline_values(owner);
    l.f.builder.guard_shared_keys_version(owner, keys_version);
    Some(())
}

/// The instruction is specialized for another type than the owner has this time, or not at all: what it would be specialized for, if that
/// is an attribute that the instance has, or its class, or a property.
unsafe fn unforeseen(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    let class = ty(real);
    let name = l.s.name(l.oparg() >> 1);
    let is_call = l.oparg() & 1 != 0;
    if has_feature(class, ffi::Py_TPFLAGS_TYPE_SUBCLASS) {
        return class_attribute(l, name);
    }
    let object = &raw const ffi::PyBaseObject_Type;
    let is_generic = (*class).tp_getattro.map(|f| f as usize) == (*object).tp_getattro.map(|f| f as usize);
    if !is_generic || !facts::is_reliable(class) {
        return None;
    }
    let has_inline = has_feature(class, TPFLAGS_INLINE_VALUES) && (*inline_values(real)).valid != 0;
    // The type has a version, or is one of CPython's, so this is a look-up in its cache or dictionaries of names, which runs no code.
    let found = _PyType_Lookup(class, name);
    if found.is_null() {
        if !has_inline {
            let (dict, old, index) = dict_value(l, name)?;
            debug_assert!(!old.is_null());
            let attr = l.f.builder.load_dict_value(dict, index);
            let attr = l.attribute(attr);
            return l.loaded(attr);
        }
        let index = find_interned(cached_keys(class), name)?;
        if (*inline_value_slot(inline_values(real), index)).is_null() {
            return None;
        }
        return instance_value(l, u32::try_from(index).ok()?);
    }
    let kind = ty(found);
    if kind == &raw mut ffi::PyProperty_Type && !is_call {
        let getter = (*found.cast::<PropertyObject>()).prop_get;
        if getter.is_null() || !is_type(getter, &raw mut PyFunction_Type) {
            return None;
        }
        let owner = l.f.peek(1)?;
        super::calls::plain(getter)?;
        l.guard_version(owner, real, (*class).tp_version_tag);
        let property = l.f.constant(found, Keep::Guarded);
        let function = function_of(l, property, offset_of!(PropertyObject, prop_get), getter);
        return super::calls::enter_known(l, getter, 1, |l| l.f.borrowed(function));
    }
    // The getter of a base in C would be asked first; where the type manages the dictionary, there is none.
    let is_own_dict = has_feature(class, TPFLAGS_MANAGED_DICT) && getter(found) == known().dict_getter;
    if is_own_dict {
        let owner = l.f.peek(1)?;
        l.guard_version(owner, real, (*class).tp_version_tag);
        let dict = l.raising(Helper::OwnDict, &[owner])?;
        return l.loaded(dict);
    }
    if !has_feature(kind, ffi::Py_TPFLAGS_IMMUTABLETYPE) || (*kind).tp_descr_set.is_some() {
        return None;
    }
    let binding = Binding::of(found);
    let is_method = binding.is_none() && (*kind).tp_descr_get.is_some();
    let is_to_be_bound = is_method && !is_call;
    if is_method && !has_feature(kind, TPFLAGS_METHOD_DESCRIPTOR) || is_call && !is_method && binding.is_none() {
        return None;
    }
    let is_builtin = ptr::eq(kind, &raw mut PyMethodDescr_Type);
    if is_to_be_bound && !is_builtin && !is_type(found, &raw mut PyFunction_Type) {
        return None;
    }
    lacks_own(l, name)?;
    let owner = l.f.peek(1)?;
    if let Some(binding) = binding {
        let function = wrapped(l, found);
        let attr = match binding {
            Binding::Class => {
                let class = l.type_constant(class, class.cast());
                bind(l, function, class)
            }
            Binding::Static => l.f.borrowed(function),
        };
        return l.loaded(attr);
    }
    if !is_to_be_bound {
        return found_in_type(l, found, is_method);
    }
    let method = if is_builtin {
        let descriptor = l.f.constant(found, Keep::Hold);
        let method = l.found(Helper::BindBuiltin, &[descriptor, owner])?;
        // Those that are told the class that defines them are of a type of their own.
        let flags = (*(*found.cast::<PyMethodDescrObject>()).d_method).ml_flags;
        if flags & ffi::METH_METHOD == 0 { l.f.of_class(method, &raw mut ffi::PyCFunction_Type) } else { method }
    } else {
        let function = l.type_constant(class, found);
        bind(l, function, owner)
    };
    l.loaded(method)
}

/// What binds a Python function that is found in a class without regard to the instance.
#[derive(Clone, Copy)]
enum Binding {
    /// `classmethod`: it is bound to the class.
    Class,
    /// `staticmethod`: it is not bound at all.
    Static,
}

impl Binding {
    unsafe fn of(found: *mut PyObject) -> Option<Binding> {
        let binding = if is_type(found, &raw mut ffi::PyClassMethod_Type) {
            Binding::Class
        } else if is_type(found, &raw mut ffi::PyStaticMethod_Type) {
            Binding::Static
        } else {
            return None;
        };
        let function = (*found.cast::<ClassMethodObject>()).callable;
        (!function.is_null() && is_type(function, &raw mut PyFunction_Type)).then_some(binding)
    }
}

/// The function (borrowed) in what a class has that is relied on. It is guarded: nobody notices when `__init__` is called once more.
unsafe fn wrapped(l: &mut Lowering, found: *mut PyObject) -> Value {
    let real = (*found.cast::<ClassMethodObject>()).callable;
    let found = l.f.constant(found, Keep::Guarded);
    guarded_slot(l, found, offset_of!(ClassMethodObject, callable), real)
}

/// What a slot holds (borrowed), guarded to be what it really is.
unsafe fn guarded_slot(l: &mut Lowering, owner: Value, offset: usize, real: *mut PyObject) -> Value {
    let v = l.f.builder.load_slot(owner, offset as u32);
    let id = l.f.object(real, Keep::Guarded);
    l.guard_is(v, real, id);
    v
}

/// A function in Python (borrowed) that is to be entered, which a slot holds. It is guarded.
pub(super) unsafe fn function_of(l: &mut Lowering, owner: Value, offset: usize, real: *mut PyObject) -> Value {
    let v = guarded_slot(l, owner, offset, real);
    l.f.info(v).class = &raw mut PyFunction_Type;
    l.f.rely_on(real);
    v
}

/// A Python function bound to a receiver.
pub(super) unsafe fn bind(l: &mut Lowering, function: Value, receiver: Value) -> Value {
    let parts = [function, receiver].map(|v| l.f.take(v));
    let method = l.f.builder.new_bound_method(parts[0], parts[1]);
    l.f.owned(method);
    l.f.of_class(method, &raw mut PyMethod_Type);
    l.f.info(method).bound = Some([function, receiver]);
    method
}

/// Guards that the instance, whose class has a version, has no attribute of its own with this name, if it really has none: by the keys of its class,
/// if they tell.
pub(super) unsafe fn lacks_own(l: &mut Lowering, name: *mut PyObject) -> Option<()> {
    let real = l.real(1);
    let class = ty(real);
    let has_inline = has_feature(class, TPFLAGS_INLINE_VALUES) && (*inline_values(real)).valid != 0;
    let version =
        if has_inline && keys_lack_string(cached_keys(class), name) { keys_version(cached_keys(class)) } else { 0 };
    if version != 0 {
        return not_in_instance(l, version);
    }
    if has_inline && let Some(index) = find_interned(cached_keys(class), name) {
        // Other instances have it.
        if !(*inline_value_slot(inline_values(real), index)).is_null() {
            return None;
        }
        let owner = l.f.peek(1)?;
        l.guard_version(owner, real, (*class).tp_version_tag);
        l.f.at();
        l.f.builder.guard_inline_values(owner);
        let attr = l.f.builder.load_inline(owner, u32::try_from(index).ok()?);
        l.decide_null(attr, true);
        return Some(());
    }
    lacks(l, name)
}

/// The same by looking.
unsafe fn lacks(l: &mut Lowering, name: *mut PyObject) -> Option<()> {
    let real = l.real(1);
    let class = ty(real);
    let has_managed = has_feature(class, TPFLAGS_MANAGED_DICT);
    let dict = if has_managed { managed_dict(real).cast::<PyObject>() } else { ptr::null_mut() };
    let has_inline = has_feature(class, TPFLAGS_INLINE_VALUES) && (*inline_values(real)).valid != 0;
    if !has_managed && (*class).tp_dictoffset == 0 {
        let owner = l.f.peek(1)?;
        l.guard_version(owner, real, (*class).tp_version_tag);
        return Some(());
    }
    if has_inline || !has_managed && (*class).tp_dictoffset < 0 {
        return None;
    }
    if !dict.is_null()
        && (!is_type(dict, &raw mut ffi::PyDict_Type)
            || !keys_lack_string((*dict.cast::<PyDictObject>()).ma_keys, name))
    {
        return None;
    }
    if !has_managed && (*class).tp_dictoffset > 0 {
        let dict = *real.byte_offset((*class).tp_dictoffset).cast::<*mut PyObject>();
        if !dict.is_null() {
            return None;
        }
    }
    let owner = l.f.peek(1)?;
    l.guard_version(owner, real, (*class).tp_version_tag);
    let name = name_constant(l, name);
    l.done_unless_zero(Helper::InstanceLacks, &[owner, name])
}

/// A name of the code that runs.
pub(super) unsafe fn name_constant(l: &mut Lowering, name: *mut PyObject) -> Value {
    let keep = if is_immortal(name) { Keep::Immortal } else { Keep::Code(l.f.top().code) };
    l.f.constant(name, keep)
}

/// The dictionary of the instance on top of the stack, guarded to have this key in the entry where it really has it; the value there
/// (borrowed, never null), and the entry's index.
unsafe fn dict_value(l: &mut Lowering, name: *mut PyObject) -> Option<(Value, *mut PyObject, u32)> {
    let real = l.real(1);
    let class = ty(real);
    if !has_feature(class, TPFLAGS_MANAGED_DICT) {
        return None;
    }
    let dict = managed_dict(real);
    if dict.is_null() || !is_type(dict.cast(), &raw mut ffi::PyDict_Type) || !(*dict).ma_values.is_null() {
        return None;
    }
    let keys = (*dict).ma_keys;
    if !keys_are_unicode(keys) {
        return None;
    }
    let index = find_interned(keys, name)?;
    let value = *dict_value_slot(dict, index);
    if value.is_null() {
        return None;
    }
    let owner = l.f.peek(1)?;
    l.guard_version(owner, real, (*class).tp_version_tag);
    let name = name_constant(l, name);
    let at = l.f.builder.const_i64(index as i64);
    l.f.at();
    let dict = l.f.builder.call_helper(Helper::InstanceDict, &[owner, name, at])?;
    l.f.builder.guard_not_null(dict);
    Some((dict, value, u32::try_from(index).ok()?))
}

/// An attribute of a class that is known.
unsafe fn class_attribute(l: &mut Lowering, name: *mut PyObject) -> Option<Outcome> {
    let real = l.real(1);
    let owner = l.f.peek(1)?;
    // Which class it is is not guarded for nothing: code that meets many would get an executor for each.
    seen_in_class(real, name).filter(|seen| !matches!(seen, InClass::Absent))?;
    l.know_class(owner, real)?;
    let attr = found_in_class(l, owner, real, name)??;
    l.loaded(attr)
}

/// What a class has under a name, as long as it and its metaclass have their versions.
enum InClass {
    Absent,
    /// A function in Python, in what binds it.
    Wrapped(*mut PyObject, Binding),
    /// This object. Its type is relied on, if it is not one that cannot change.
    Object(*mut PyObject, Option<*mut PyTypeObject>),
}

/// Looks. None: that cannot be told.
unsafe fn seen_in_class(real: *mut PyObject, name: *mut PyObject) -> Option<InClass> {
    let class = real.cast::<PyTypeObject>();
    if !facts::is_reliable(class) {
        return None;
    }
    let metaclass = ty(real);
    if !ptr::eq(metaclass, &raw mut ffi::PyType_Type) {
        if !facts::has_version(metaclass) || !looks_up_as_type(metaclass) {
            return None;
        }
        if !_PyType_Lookup(metaclass, name).is_null() {
            return None;
        }
    }
    let of_type = _PyType_Lookup(metaclass, name);
    if !of_type.is_null() && (*ty(of_type)).tp_descr_set.is_some() {
        return None;
    }
    let attr = _PyType_Lookup(class, name);
    if attr.is_null() {
        return of_type.is_null().then_some(InClass::Absent);
    }
    if let Some(binding) = Binding::of(attr) {
        return Some(InClass::Wrapped(attr, binding));
    }
    let kind = ty(attr);
    // What is no descriptor must not become one; functions, methods and slots of built-in classes are not bound to a class.
    let is_unbound = kind == &raw mut PyFunction_Type
        || kind == &raw mut PyMethodDescr_Type
        || kind == &raw mut ffi::PyWrapperDescr_Type
        || kind == &raw mut ffi::PyMemberDescr_Type
        || kind == &raw mut ffi::PyGetSetDescr_Type;
    let is_itself = has_feature(kind, ffi::Py_TPFLAGS_IMMUTABLETYPE) && ((*kind).tp_descr_get.is_none() || is_unbound);
    let instance_of_known = facts::has_version(kind) && (*kind).tp_descr_get.is_none();
    if !is_itself && !instance_of_known {
        return None;
    }
    Some(InClass::Object(attr, (!is_itself).then_some(kind)))
}

/// What a class (that is known) has under this name: as long as the class has its version, it is the same object, or there is none. Its metaclass
/// is `type`, or guarded. The outer none: that cannot be told.
pub(super) unsafe fn found_in_class(
    l: &mut Lowering,
    owner: Value,
    real: *mut PyObject,
    name: *mut PyObject,
) -> Option<Option<Value>> {
    let seen = seen_in_class(real, name)?;
    let (class, metaclass) = (real.cast::<PyTypeObject>(), ty(real));
    if !ptr::eq(metaclass, &raw mut ffi::PyType_Type) {
        l.guard_version(owner, real, (*metaclass).tp_version_tag);
    }
    l.depend_on_type(class);
    let attr = match seen {
        InClass::Absent => return Some(None),
        InClass::Wrapped(attr, binding) => {
            let function = wrapped(l, attr);
            return Some(Some(match binding {
                Binding::Class => bind(l, function, owner),
                Binding::Static => l.f.borrowed(function),
            }));
        }
        InClass::Object(attr, kind) => {
            if let Some(kind) = kind {
                l.depend_on_type(kind);
            }
            attr
        }
    };
    if is_immortal(attr) {
        return Some(Some(l.f.constant(attr, Keep::Immortal)));
    }
    if facts::is_static(class) {
        return Some(Some(l.f.constant(attr, Keep::Hold)));
    }
    let v = l.f.constant(attr, Keep::Guarded);
    l.f.borrowed(v);
    l.f.info(v).kept = true;
    Some(Some(v))
}

impl Lowering<'_> {
    /// Guards that a value is this class, of the version that it has, unless that is known. It is relied on then.
    pub(super) unsafe fn know_class(&mut self, v: Value, real: *mut PyObject) -> Option<()> {
        let class = real.cast::<PyTypeObject>();
        if self.f.info(v).constant == real {
            return Some(());
        }
        if facts::is_static(class) {
            let id = self.f.object(real, Keep::Immortal);
            self.guard_is(v, real, id);
            return Some(());
        }
        if !facts::has_version(class) || !facts::is_reliable(ty(real)) {
            return None;
        }
        // Its address may become that of another class, but not its version.
        self.guard_version(v, real, (*ty(real)).tp_version_tag);
        self.f.at();
        self.f.builder.guard_class_version(v, (*class).tp_version_tag);
        self.depend_on_type(class);
        let info = self.f.info(v);
        (info.constant, info.nullable) = (real, false);
        Some(())
    }

    /// Has the executor become invalid when the type changes, if it can.
    pub(super) unsafe fn depend_on_type(&mut self, class: *mut PyTypeObject) {
        if facts::is_static(class) {
            return;
        }
        let entry = (class.cast::<PyObject>(), (*class).tp_version_tag);
        if !self.f.types.contains(&entry) {
            self.f.types.push(entry);
        }
    }
}

/// BINARY_SUBSCR of an instance whose class has a `__getitem__` in Python.
pub(super) unsafe fn getitem(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(2);
    let class = ty(real);
    if !facts::has_version(class) {
        return None;
    }
    let function = _PyType_Lookup(class, known().name_getitem);
    if function.is_null() || !is_type(function, &raw mut PyFunction_Type) {
        return None;
    }
    let container = l.f.peek(2)?;
    l.guard_version(container, real, (*class).tp_version_tag);
    super::calls::enter_found(l, class, function, 2)
}

/// The attribute is an object (borrowed) that the type has; a method is pushed below its receiver.
unsafe fn found_in_type(l: &mut Lowering, attr: *mut PyObject, is_method: bool) -> Option<Outcome> {
    let attr = l.type_constant(ty(l.real(1)), attr);
    if !is_method {
        return l.loaded(attr);
    }
    let owner = l.f.pop();
    l.f.push_value(attr);
    l.f.push(owner);
    l.done()
}

unsafe fn module_attribute(l: &mut Lowering, version: u32, offset: u32) -> Option<Outcome> {
    let real = l.real(1);
    let class = &raw mut ffi::PyModule_Type;
    if !is_type(real, class) {
        return None;
    }
    let dict = (*real.cast::<PyModuleObject>()).md_dict.cast::<PyDictObject>();
    let keys = (*dict).ma_keys;
    if (*keys).dk_version != version || (*keys.byte_add(offset as usize).cast::<*mut PyObject>()).is_null() {
        return None;
    }
    let index = entry_index(keys, offset as usize)?;
    let owner = l.f.peek(1)?;
    l.f.at();
    // A module's `__class__` can be assigned, so its type is not remembered.
    let id = l.f.object(class.cast(), Keep::Immortal);
    l.f.builder.guard_type(owner, id);
    let dict = l.f.builder.module_dict(owner);
    l.f.builder.guard_keys_version(dict, version);
    let attr = l.f.builder.load_dict_value(dict, index);
    let attr = l.attribute(attr);
    l.loaded(attr)
}

/// Which entry of a table of strings has its value at this offset from the keys.
pub(super) unsafe fn entry_index(keys: *mut DictKeys, offset: usize) -> Option<u32> {
    let first = keys_entries_offset(keys) + offset_of!(DictUnicodeEntry, me_value);
    let index = offset.checked_sub(first)? / size_of::<DictUnicodeEntry>();
    (first + index * size_of::<DictUnicodeEntry>() == offset).then_some(index as u32)
}

/// Where STORE_ATTR stores.
#[derive(Clone, Copy)]
enum Place {
    Inline(u32),
    Slot(u32),
    Dict(Value, u32),
}

/// Where the attribute of the owner on top of the stack is stored, as far as that is known without running code: the place, guarded, and
/// what is there.
unsafe fn place(l: &mut Lowering) -> Option<(Place, *mut PyObject)> {
    let real = l.real(1);
    let (version, high) = l.halves();
    let class = ty(real);
    let owner = l.f.peek(1)?;
    if l.op() == op::STORE_ATTR_SLOT && (*class).tp_version_tag == version && version != 0 {
        l.guard_version(owner, real, version);
        return Some((Place::Slot(high), *real.byte_add(high as usize).cast::<*mut PyObject>()));
    }
    let object = &raw const ffi::PyBaseObject_Type;
    let is_generic = (*class).tp_setattro.map(|f| f as usize) == (*object).tp_setattro.map(|f| f as usize);
    if !is_generic || !facts::has_version(class) {
        return None;
    }
    let name = l.s.name(l.oparg());
    let found = _PyType_Lookup(class, name);
    if !found.is_null() {
        let kind = ty(found);
        if !has_feature(kind, ffi::Py_TPFLAGS_IMMUTABLETYPE) || (*kind).tp_descr_set.is_some() {
            return None;
        }
    }
    if has_feature(class, TPFLAGS_INLINE_VALUES) && (*inline_values(real)).valid != 0 && managed_dict(real).is_null() {
        let index = find_interned(cached_keys(class), name)?;
        let values = inline_values(real);
        l.guard_version(owner, real, (*class).tp_version_tag);
        l.f.at();
        l.f.builder.guard_inline_values(owner);
        l.f.builder.guard_no_dict(owner);
        return Some((Place::Inline(u32::try_from(index).ok()?), *inline_value_slot(values, index)));
    }
    let (dict, old, index) = dict_value(l, name)?;
    Some((Place::Dict(dict, index), old))
}

pub(super) unsafe fn store_attr(l: &mut Lowering) -> Option<Outcome> {
    let owner = l.f.peek(1)?;
    l.f.peek(2)?;
    let shim = super::shims::store(l);
    if shim.is_some() {
        return shim;
    }
    // That it is specialized for another type is a sign that there are many.
    let Some((place, real_old)) = place(l) else { return store_any_attr(l) };
    let old = match place {
        Place::Inline(index) => l.f.builder.load_inline(owner, index),
        Place::Slot(offset) => l.f.builder.load_slot(owner, offset),
        Place::Dict(dict, index) => l.f.builder.load_dict_value(dict, index),
    };
    l.f.info(old).nullable = true;
    l.decide_null(old, real_old.is_null());
    if !real_old.is_null() {
        l.expect_quiet(old, real_old, l.real(2));
    }
    let container = l.f.pop();
    let Content::Value(v) = l.f.pop() else { return None };
    let object = l.f.boxed(v);
    let content = l.f.take(object);
    match place {
        Place::Inline(index) => l.f.builder.store_inline(owner, index, content),
        Place::Slot(offset) => l.f.builder.store_slot(owner, offset, content),
        Place::Dict(dict, index) => l.f.builder.store_dict_value(dict, index, content),
    }
    if !real_old.is_null() {
        l.f.owned(old);
        l.f.release(Content::Value(old));
    }
    l.f.release(container);
    l.done()
}

/// An attribute of whatever it may be.
unsafe fn store_any_attr(l: &mut Lowering) -> Option<Outcome> {
    let name = l.s.name(l.oparg());
    if !polymorphic::stores(l.real(1), name) {
        return None;
    }
    let (owner, value) = (l.f.peek(1)?, l.f.peek(2)?);
    let name = name_constant(l, name);
    let args = [l.f.boxed(owner), name, l.f.boxed(value)];
    let old = l.found(Helper::StoreAny, &args)?;
    let (container, content) = (l.f.pop(), l.f.pop());
    l.f.release(Content::Value(old));
    l.f.release(content);
    l.f.release(container);
    l.done()
}
