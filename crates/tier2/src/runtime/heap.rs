//! Attributes, items, dictionaries, and the versions that guards compare.

use super::{Obj, out_of_memory, raw};
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// The version of a dictionary's keys; zero if it has none, or this is no dictionary (a derived type is none).
pub(super) unsafe fn keys_version(dict: Obj) -> u32 {
    if !is_type(dict.as_ptr(), &raw mut ffi::PyDict_Type) {
        return 0;
    }
    (*(*dict.as_ptr().cast::<PyDictObject>()).ma_keys).dk_version
}

/// The version of the keys that instances of the object's type share; zero if they share none.
pub(super) unsafe fn shared_keys_version(value: Obj) -> u32 {
    instance_keys_version(ty(value.as_ptr()))
}

/// The version of the keys that instances of the class share; zero if they share none.
pub(super) unsafe fn instance_keys_version(class: *mut PyTypeObject) -> u32 {
    if !has_feature(class, TPFLAGS_HEAPTYPE) {
        return 0;
    }
    let keys = cached_keys(class);
    if keys.is_null() { 0 } else { (*keys).dk_version }
}

/// The version of a function; zero if it has none, or this is no function.
pub(super) unsafe fn function_version(function: Obj) -> u32 {
    if !is_type(function.as_ptr(), &raw mut PyFunction_Type) {
        return 0;
    }
    (*function.as_ptr().cast::<PyFunctionObject>()).func_version
}

/// Whether an instance keeps its attributes in inline values.
pub(super) unsafe fn has_inline_values(value: Obj) -> bool {
    has_feature(ty(value.as_ptr()), TPFLAGS_INLINE_VALUES) && (*inline_values(value.as_ptr())).valid != 0
}

/// Whether a dictionary was made of an instance's attributes.
pub(super) unsafe fn has_dict(value: Obj) -> bool {
    has_feature(ty(value.as_ptr()), TPFLAGS_MANAGED_DICT) && !managed_dict(value.as_ptr()).is_null()
}

/// Where an attribute in `__slots__` is.
pub(super) unsafe fn slot(value: Obj, offset: usize) -> *mut *mut PyObject {
    value.as_ptr().byte_add(offset).cast()
}

/// Replaces a value in a dictionary.
pub(super) unsafe fn store_dict_value(dict: Obj, index: usize, content: Option<Obj>) {
    if dict_replace_value(dict.as_ptr().cast(), index, raw(content)) < 0 {
        out_of_memory();
    }
}

/// The bits of an element of an array that takes so many bytes.
pub(super) unsafe fn load_element(elements: u64, index: i64, width: usize) -> u64 {
    let mut bits = [0; 8];
    let at = (elements as usize as *const u8).offset(index as isize * width as isize);
    at.copy_to_nonoverlapping(bits.as_mut_ptr(), width);
    u64::from_le_bytes(bits)
}

/// Writes an element.
pub(super) unsafe fn store_element(elements: u64, index: i64, width: usize, bits: u64) {
    let at = (elements as usize as *mut u8).offset(index as isize * width as isize);
    let bytes = bits.to_le_bytes();
    at.copy_from_nonoverlapping(bytes.as_ptr(), width);
}
