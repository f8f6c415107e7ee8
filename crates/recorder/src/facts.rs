//! Questions about objects, answered without running any code.

use core::ffi::CStr;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// Whether a type is static and cannot be changed: an instance's `__class__` stays what it is, and the type needs no reference.
pub unsafe fn is_static(t: *mut PyTypeObject) -> bool {
    !has_feature(t, TPFLAGS_HEAPTYPE) && has_feature(t, ffi::Py_TPFLAGS_IMMUTABLETYPE) && is_immortal(t.cast())
}

/// Whether instances of exactly this type run no code when they are freed.
pub(crate) fn dies_quietly(t: *mut PyTypeObject) -> bool {
    is_immortal_class(t)
        || ptr::eq(t, &raw mut ffi::PyLong_Type)
        || ptr::eq(t, &raw mut ffi::PyFloat_Type)
        || ptr::eq(t, &raw mut ffi::PyUnicode_Type)
}

/// Whether all instances of exactly this type are immortal.
pub(crate) fn is_immortal_class(t: *mut PyTypeObject) -> bool {
    // SAFETY: None always exists; its type is read.
    ptr::eq(t, &raw mut ffi::PyBool_Type) || ptr::eq(t, unsafe { ty(ffi::Py_None()) })
}

/// Exactly an int.
pub(crate) unsafe fn is_int(op: *mut PyObject) -> bool {
    is_type(op, &raw mut ffi::PyLong_Type)
}

/// Exactly an int of one digit.
pub(crate) unsafe fn is_compact_int(op: *mut PyObject) -> bool {
    is_int(op) && long_is_compact(op)
}

/// Exactly a float.
pub(crate) unsafe fn is_float(op: *mut PyObject) -> bool {
    is_type(op, &raw mut ffi::PyFloat_Type)
}

/// Exactly a str.
pub(crate) unsafe fn is_str(op: *mut PyObject) -> bool {
    is_type(op, &raw mut ffi::PyUnicode_Type)
}

/// The value of an int that fits into 64 bits.
pub(crate) unsafe fn int_value(op: *mut PyObject) -> Option<i64> {
    let tag = (*op.cast::<PyLongObject>()).lv_tag;
    let digits = tag >> 3;
    if digits > 3 {
        return None;
    }
    let digit = (&raw const (*op.cast::<PyLongObject>()).ob_digit).cast::<u32>();
    let mut magnitude = 0i128;
    for i in (0..digits).rev() {
        magnitude = magnitude << 30 | i128::from(*digit.add(i));
    }
    i64::try_from(if tag & 3 == 2 { -magnitude } else { magnitude }).ok()
}

/// Whether what is found in a type can be relied on: it cannot change, or has a version to guard.
pub(crate) unsafe fn is_reliable(t: *mut PyTypeObject) -> bool {
    is_static(t) || has_version(t)
}

/// Whether a type that can be changed has a version to guard. It gets one if it can: a type has none before anything is looked up in it.
pub(crate) unsafe fn has_version(t: *mut PyTypeObject) -> bool {
    if !has_feature(t, TPFLAGS_HEAPTYPE) {
        return false;
    }
    if (*t).tp_version_tag == 0 {
        PyUnstable_Type_AssignVersionTag(t);
    }
    (*t).tp_version_tag != 0
}

/// What a type or its bases have under a name, borrowed from there; null if nothing.
pub(crate) unsafe fn found_in(t: *mut PyTypeObject, name: &CStr) -> *mut PyObject {
    let name = ffi::PyUnicode_InternFromString(name.as_ptr());
    if name.is_null() {
        // There is no memory: nothing is found.
        ffi::PyErr_Clear();
        return ptr::null_mut();
    }
    let found = _PyType_Lookup(t, name);
    decref(name);
    found
}
