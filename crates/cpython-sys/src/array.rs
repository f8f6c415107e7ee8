//! Arrays and bytearrays.
//!
//! `array` is an extension module: it exports nothing, its type exists once it was imported, and no header describes what an array looks
//! like. So what is seen is checked against what the array says of itself, through the buffer protocol, whenever
//! somebody is about to rely on it ([`array_typecode`]).

use crate::ffi::{self, Py_ssize_t, PyObject, PyTypeObject, PyVarObject};
use crate::functions::PyUnstable_Type_AssignVersionTag;
use crate::object::{TPFLAGS_HEAPTYPE, has_feature, size, ty};
use core::ffi::{CStr, c_char, c_int};
use core::mem::{offset_of, zeroed};

/// `arrayobject`.
#[repr(C)]
pub struct ArrayObject {
    pub ob_base: PyVarObject,
    pub ob_item: *mut c_char,
    pub allocated: Py_ssize_t,
    pub ob_descr: *const ArrayDescr,
    pub weakreflist: *mut PyObject,
    pub ob_exports: Py_ssize_t,
}

/// The beginning of `struct arraydescr`. There is one for each typecode, static, which never changes.
#[repr(C)]
pub struct ArrayDescr {
    pub typecode: u8,
    pub itemsize: c_int,
}

/// `PyByteArrayObject`.
#[repr(C)]
pub struct ByteArrayObject {
    pub ob_base: PyVarObject,
    pub ob_alloc: Py_ssize_t,
    pub ob_bytes: *mut c_char,
    pub ob_start: *mut c_char,
    pub ob_exports: Py_ssize_t,
}

const _: () = assert!(offset_of!(ArrayObject, ob_item) == 24);
const _: () = assert!(offset_of!(ArrayObject, ob_descr) == 40);
const _: () = assert!(size_of::<ArrayObject>() == 64);
const _: () = assert!(offset_of!(ByteArrayObject, ob_start) == 40);

/// Whether a type is `array.array`: no Python code makes types that cannot be changed.
unsafe fn is_array_type(t: *mut PyTypeObject) -> bool {
    has_feature(t, TPFLAGS_HEAPTYPE)
        && has_feature(t, ffi::Py_TPFLAGS_IMMUTABLETYPE)
        && (*t).tp_basicsize == size_of::<ArrayObject>() as Py_ssize_t
        && (*t).tp_itemsize == 0
        && CStr::from_ptr((*t).tp_name) == c"array.array"
}

/// The typecode, if this is exactly an `array.array` and looks as described above. Its type has a version then.
pub unsafe fn array_typecode(op: *mut PyObject) -> Option<u8> {
    if !is_array_type(ty(op)) || PyUnstable_Type_AssignVersionTag(ty(op)) == 0 {
        return None;
    }
    let array = op.cast::<ArrayObject>();
    let mut view: ffi::Py_buffer = zeroed();
    let exports = (*array).ob_exports;
    if ffi::PyObject_GetBuffer(op, &raw mut view, ffi::PyBUF_FORMAT) < 0 {
        ffi::PyErr_Clear();
        return None;
    }
    let typecode = *view.format as u8;
    // An empty array may show something else than its elements.
    let is_known = (*array).ob_exports == exports + 1
        && (size(op) == 0 || view.buf.cast() == (*array).ob_item)
        && view.len == size(op) * view.itemsize
        && (*(*array).ob_descr).typecode == typecode
        && (*(*array).ob_descr).itemsize as Py_ssize_t == view.itemsize;
    ffi::PyBuffer_Release(&raw mut view);
    is_known.then_some(typecode)
}
