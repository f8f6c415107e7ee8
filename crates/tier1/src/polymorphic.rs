//! Attributes and instances for code that meets operands of many types: what CPython's generic functions answer, where that runs no code.
//!
//! A specialization is for one type. Where an instruction has met too many, these look everything up each time, as the generic functions do,
//! but know when Python code would have to be called, and leave it at that.

use crate::context::known;
use crate::specialize::{Kind, analyze, loads_generically, slot_offset};
use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::ptr;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// What a type says about an attribute of its instances.
#[derive(Clone, Copy)]
enum Answer {
    /// Nothing: it is one of the instance's own.
    Absent,
    /// It is in a slot at this offset.
    Slot(u32),
    /// It is the type.
    Class,
    /// It is this object (borrowed from the type), unless the instance has one of its own.
    Plain(*mut PyObject),
    /// It is this function or method of a built-in type, bound to the instance, unless the instance has one of its own.
    Method(*mut PyObject),
    /// The owner is a class, and this descriptor of `type`'s computes the attribute, in C.
    OfClass(*mut PyObject),
    /// Code might have to run.
    Unknown,
}

/// Answers by the type's version and the name, which never dies: as long as a type has a version, it says the same.
struct Answers(UnsafeCell<[(u32, *mut PyObject, Answer); Answers::SIZE]>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Answers {}
/// For reading attributes.
static ANSWERS: Answers = Answers::new();
/// For writing them.
static PLACES: Answers = Answers::new();

impl Answers {
    const SIZE: usize = 1024;
    const fn new() -> Answers {
        Answers(UnsafeCell::new([(0, ptr::null_mut(), Answer::Unknown); Answers::SIZE]))
    }

    #[inline(always)]
    unsafe fn get(
        &self,
        owner: *mut PyObject,
        name: *mut PyObject,
        ask: unsafe fn(*mut PyObject, *mut PyObject) -> Answer,
    ) -> Answer {
        let version = (*ty(owner)).tp_version_tag;
        if version == 0 || !is_immortal(name) {
            return ask(owner, name);
        }
        let place = (version as usize ^ name.addr() >> 4) % Answers::SIZE;
        let known = &mut (*self.0.get())[place];
        if known.0 != version || known.1 != name {
            *known = (version, name, ask(owner, name));
        }
        known.2
    }
}

unsafe fn answer(owner: *mut PyObject, name: *mut PyObject) -> Answer {
    ANSWERS.get(owner, name, ask)
}

unsafe fn ask(owner: *mut PyObject, name: *mut PyObject) -> Answer {
    if let Some(found) = computed_by_type(owner, name) {
        return Answer::OfClass(found);
    }
    match analyze(ty(owner), name, false) {
        Kind::Absent => Answer::Absent,
        Kind::Slot(member) => slot_offset(owner, member).map_or(Answer::Unknown, Answer::Slot),
        Kind::Class => Answer::Class,
        Kind::Plain(found) => Answer::Plain(found),
        Kind::Method(found) if binds_quietly(found) => Answer::Method(found),
        Kind::Property(_) | Kind::Method(_) | Kind::Getattribute(_) | Kind::Other => Answer::Unknown,
    }
}

/// Where an attribute is written: into a slot, or into the instance.
unsafe fn ask_where(owner: *mut PyObject, name: *mut PyObject) -> Answer {
    match analyze(ty(owner), name, true) {
        Kind::Slot(member) if (*(*member).d_member).flags & ffi::Py_READONLY == 0 => {
            slot_offset(owner, member).map_or(Answer::Unknown, Answer::Slot)
        }
        Kind::Absent | Kind::Plain(_) | Kind::Method(_) => Answer::Absent,
        Kind::Slot(_) | Kind::Class | Kind::Property(_) | Kind::Getattribute(_) | Kind::Other => Answer::Unknown,
    }
}

/// Where `owner.name = value` puts the value: into a slot, or among the instance's inline values, with this index, if no dictionary is to hear of it.
unsafe fn place(owner: *mut PyObject, name: *mut PyObject) -> Option<(*mut *mut PyObject, Option<usize>)> {
    match PLACES.get(owner, name, ask_where) {
        Answer::Slot(offset) => Some((owner.byte_add(offset as usize).cast(), None)),
        Answer::Absent => {
            let t = ty(owner);
            let is_inline = has_feature(t, TPFLAGS_INLINE_VALUES)
                && (*inline_values(owner)).valid != 0
                && managed_dict(owner).is_null();
            let index = if is_inline { find_interned(cached_keys(t), name)? } else { return None };
            Some((inline_value_slot(inline_values(owner), index), Some(index)))
        }
        Answer::Class | Answer::Plain(_) | Answer::Method(_) | Answer::OfClass(_) | Answer::Unknown => None,
    }
}

/// Whether [`store`] can store.
pub unsafe fn stores(owner: *mut PyObject, name: *mut PyObject) -> bool {
    place(owner, name).is_some()
}

/// Stores a value, the reference to which is taken then, and answers what was there, or null. None: nothing was done.
#[inline(never)]
unsafe fn put(owner: *mut PyObject, name: *mut PyObject, value: *mut PyObject) -> Option<*mut PyObject> {
    let (place, index) = place(owner, name)?;
    let old = place.replace(value);
    if old.is_null()
        && let Some(index) = index
    {
        values_add_to_insertion_order(inline_values(owner), index);
    }
    Some(old)
}

/// `owner.name = value`. Yields what was there, which is the caller's, or None. Null (and no exception, nothing has changed) if that might run code, or cannot be.
pub unsafe fn store(owner: *mut PyObject, name: *mut PyObject, value: *mut PyObject) -> *mut PyObject {
    match put(owner, name, value) {
        None => ptr::null_mut(),
        Some(old) => {
            incref(value);
            if old.is_null() { newref(ffi::Py_None()) } else { old }
        }
    }
}

/// What computes an attribute of a class, if that is one of those that `type` has descriptors for which run no other code. (They come first, whatever the
/// class has.)
unsafe fn computed_by_type(owner: *mut PyObject, name: *mut PyObject) -> Option<*mut PyObject> {
    const QUIET: [&CStr; 6] = [c"__dict__", c"__name__", c"__qualname__", c"__module__", c"__bases__", c"__mro__"];
    let (metaclass, usual) = (ty(owner), &raw mut ffi::PyType_Type);
    let looks_up = |t: *mut ffi::PyTypeObject| (*t).tp_getattro.map(|f| f as usize);
    if !has_feature(metaclass, ffi::Py_TPFLAGS_TYPE_SUBCLASS) || looks_up(metaclass) != looks_up(usual) {
        return None;
    }
    let found = type_lookup(metaclass, name);
    let is_types_own = !found.is_null()
        && is_type(found, &raw mut ffi::PyGetSetDescr_Type)
        && (*found.cast::<PyMemberDescrObject>()).d_type == usual;
    let is_named = |known: &CStr| ffi::PyUnicode_CompareWithASCIIString(name, known.as_ptr()) == 0;
    (is_types_own && QUIET.into_iter().any(is_named)).then_some(found)
}

unsafe fn binds_quietly(found: *mut PyObject) -> bool {
    is_type(found, &raw mut PyFunction_Type) || is_type(found, &raw mut PyMethodDescr_Type)
}

/// Whether `owner.name` would be a method that is made anew.
pub unsafe fn is_method(owner: *mut PyObject, name: *mut PyObject) -> bool {
    matches!(answer(owner, name), Answer::Method(_))
}

/// `owner.name`, new. Null (and no exception, unless memory is short) if that might run code, or there is no such attribute.
pub unsafe fn attribute(owner: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    if is_class_without_version(owner) {
        let attr = class_attribute(owner.cast(), name);
        if !attr.is_null() {
            return attr;
        }
    }
    let answer = answer(owner, name);
    let found = match answer {
        Answer::Slot(offset) => *owner.byte_add(offset as usize).cast::<*mut PyObject>(),
        Answer::Class => ty(owner).cast(),
        Answer::Absent => own(owner, name).unwrap_or(ptr::null_mut()),
        Answer::OfClass(found) => return bind(found, owner),
        Answer::Plain(found) | Answer::Method(found) => match own(owner, name) {
            None => ptr::null_mut(),
            Some(attr) if !attr.is_null() => attr,
            Some(_) if matches!(answer, Answer::Plain(_)) => found,
            Some(_) => return bind(found, owner),
        },
        Answer::Unknown => ptr::null_mut(),
    };
    xincref(found);
    found
}

/// The same, if it takes less time than CPython takes: the attribute is in a slot or among the instance's inline values, or `type` computes it.
#[inline(never)]
pub(crate) unsafe fn attribute_at_hand(owner: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    // Names that may die are looked up anew each time.
    if !is_immortal(name) {
        return ptr::null_mut();
    }
    // CPython would go through dictionaries.
    if (*ty(owner)).tp_version_tag == 0 || is_class_without_version(owner) {
        return attribute(owner, name);
    }
    let found = match answer(owner, name) {
        Answer::Slot(offset) => *owner.byte_add(offset as usize).cast::<*mut PyObject>(),
        Answer::Class => ty(owner).cast(),
        Answer::OfClass(found) => return bind(found, owner),
        Answer::Absent => inline(owner, name),
        Answer::Plain(_) | Answer::Method(_) | Answer::Unknown => ptr::null_mut(),
    };
    xincref(found);
    found
}

/// What LOAD_ATTR finds for a call, if CPython would go through dictionaries for it: a method (new), and that the owner is to be passed to it, or
/// the attribute. None: that might run code, or CPython does it as fast.
#[inline(always)]
pub(crate) unsafe fn callable_at_hand(owner: *mut PyObject, name: *mut PyObject) -> Option<(bool, *mut PyObject)> {
    if (*ty(owner)).tp_version_tag == 0 || is_class_without_version(owner) { callable(owner, name) } else { None }
}

#[inline(never)]
unsafe fn callable(owner: *mut PyObject, name: *mut PyObject) -> Option<(bool, *mut PyObject)> {
    if !is_class_without_version(owner)
        && loads_generically(ty(owner))
        && let Answer::Method(found) = answer(owner, name)
        && instance_lacks(owner, name)
    {
        return Some((true, newref(found)));
    }
    let attr = attribute(owner, name);
    (!attr.is_null()).then_some((false, attr))
}

/// Stores in an instance of a class without a version (CPython would go through dictionaries), and answers what was there, or null. The reference to the
/// value is taken then. None: nothing was done, as code might run, or there is no such attribute yet.
#[inline(always)]
pub(crate) unsafe fn store_at_hand(
    owner: *mut PyObject,
    name: *mut PyObject,
    value: *mut PyObject,
) -> Option<*mut PyObject> {
    if (*ty(owner)).tp_version_tag == 0 { put(owner, name, value) } else { None }
}

/// Whether this is a class that has no version, and will hardly get one.
#[inline(always)]
unsafe fn is_class_without_version(owner: *mut PyObject) -> bool {
    has_feature(ty(owner), ffi::Py_TPFLAGS_TYPE_SUBCLASS) && (*owner.cast::<PyTypeObject>()).tp_version_tag == 0
}

/// An attribute of a class that is its own or a base's and needs no binding, new; null otherwise.
unsafe fn class_attribute(class: *mut PyTypeObject, name: *mut PyObject) -> *mut PyObject {
    let metaclass = ty(class.cast());
    if (*class).tp_mro.is_null() || !looks_up_as_type(metaclass) || !type_lookup(metaclass, name).is_null() {
        return ptr::null_mut();
    }
    let found = type_lookup(class, name);
    let is_itself =
        !found.is_null() && ((*ty(found)).tp_descr_get.is_none() || is_type(found, &raw mut PyFunction_Type));
    if is_itself { newref(found) } else { ptr::null_mut() }
}

/// One of the instance's inline values, if it has any (borrowed). Null: it is not there, or cannot be found by the name's address.
unsafe fn inline(instance: *mut PyObject, name: *mut PyObject) -> *mut PyObject {
    let t = ty(instance);
    if !has_feature(t, TPFLAGS_INLINE_VALUES) || (*inline_values(instance)).valid == 0 {
        return ptr::null_mut();
    }
    find_interned(cached_keys(t), name)
        .map_or(ptr::null_mut(), |index| *inline_value_slot(inline_values(instance), index))
}

/// Whether [`attribute`] finds something.
pub unsafe fn finds_attribute(owner: *mut PyObject, name: *mut PyObject) -> bool {
    let found = attribute(owner, name);
    if !found.is_null() {
        decref(found);
    }
    !found.is_null()
}

#[inline(never)]
unsafe fn bind(found: *mut PyObject, owner: *mut PyObject) -> *mut PyObject {
    let Some(get) = (*ty(found)).tp_descr_get else { return ptr::null_mut() };
    let method = get(found, owner, ty(owner).cast());
    if method.is_null() {
        ffi::PyErr_Clear();
    }
    method
}

/// `hasattr(owner, name)`. None if that might run code.
pub unsafe fn has_attribute(owner: *mut PyObject, name: *mut PyObject) -> Option<bool> {
    match answer(owner, name) {
        Answer::Slot(offset) if (*owner.byte_add(offset as usize).cast::<*mut PyObject>()).is_null() => None,
        Answer::Slot(_) | Answer::Class | Answer::Plain(_) | Answer::Method(_) => Some(true),
        // With a `__getattr__` it would be called.
        Answer::Absent => match own(owner, name)? {
            attr if attr.is_null() && !loads_generically(ty(owner)) => None,
            attr => Some(!attr.is_null()),
        },
        Answer::OfClass(_) | Answer::Unknown => None,
    }
}

/// The instance's own attribute with this name, borrowed; null if it has none. None if that cannot be told simply.
unsafe fn own(instance: *mut PyObject, name: *mut PyObject) -> Option<*mut PyObject> {
    let t = ty(instance);
    if has_feature(t, TPFLAGS_INLINE_VALUES) && (*inline_values(instance)).valid != 0 {
        let Some(index) = find_interned(cached_keys(t), name) else {
            return keys_lack_string(cached_keys(t), name).then_some(ptr::null_mut());
        };
        return Some(*inline_value_slot(inline_values(instance), index));
    }
    let dict = if has_feature(t, TPFLAGS_MANAGED_DICT) {
        managed_dict(instance).cast::<PyObject>()
    } else {
        match (*t).tp_dictoffset {
            0 => ptr::null_mut(),
            offset if offset > 0 => *instance.byte_offset(offset).cast::<*mut PyObject>(),
            _ => return None,
        }
    };
    if dict.is_null() {
        return Some(dict);
    }
    if is_type(dict, &raw mut ffi::PyDict_Type) { dict_find(dict, name) } else { None }
}

/// Whether an instance has no attribute of its own with this name. False also if that cannot be told simply.
pub unsafe fn instance_lacks(instance: *mut PyObject, name: *mut PyObject) -> bool {
    own(instance, name).is_some_and(|attr| attr.is_null())
}

/// `isinstance(op, class)`, where `class` may be a tuple of classes. None if that might run code, or is an error.
pub unsafe fn is_instance(op: *mut PyObject, class: *mut PyObject) -> Option<bool> {
    if ptr::eq(ty(op).cast(), class) {
        return Some(true);
    }
    if is_type(class, &raw mut ffi::PyTuple_Type) {
        for i in 0..size(class) as usize {
            let class = tuple_item(class, i);
            // Tuples in tuples are rare.
            if is_type(class, &raw mut ffi::PyTuple_Type) {
                return None;
            }
            if is_instance(op, class)? {
                return Some(true);
            }
        }
        return Some(false);
    }
    if !checks_as_type(class) {
        return None;
    }
    if ffi::PyType_IsSubtype(ty(op), class.cast()) != 0 {
        return Some(true);
    }
    // Then it is asked for its class.
    matches!(answer(op, known().name_class), Answer::Class).then_some(false)
}

/// Metaclasses by version, and whether they leave `__instancecheck__` to `type`.
struct Metaclasses(UnsafeCell<[(u32, bool); Metaclasses::SIZE]>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Metaclasses {}
static METACLASSES: Metaclasses = Metaclasses(UnsafeCell::new([(0, false); Metaclasses::SIZE]));

impl Metaclasses {
    const SIZE: usize = 32;
}

/// Whether this is a class whose metaclass leaves `__instancecheck__` to `type`.
unsafe fn checks_as_type(class: *mut PyObject) -> bool {
    let (meta, usual) = (ty(class), &raw mut ffi::PyType_Type);
    if meta == usual {
        return true;
    }
    let version = (*meta).tp_version_tag;
    if version == 0 || !has_feature(meta, ffi::Py_TPFLAGS_TYPE_SUBCLASS) {
        return false;
    }
    let known_one = &mut (*METACLASSES.0.get())[version as usize % Metaclasses::SIZE];
    if known_one.0 != version {
        let name = known().name_instancecheck;
        *known_one = (version, type_lookup(meta, name) == type_lookup(usual, name));
    }
    known_one.1
}
