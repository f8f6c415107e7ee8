//! Audit hooks (PEP 578): whether somebody listens.

use crate::*;
use core::ffi::c_void;
use pyo3_ffi::{self as ffi, PyObject};

/// Whether audit events are heard by anybody.
///
/// CPython makes the arguments of an event only if there is a hook. So this one's argument is made by a function that fails, upon which no hook
/// is called.
pub unsafe fn hears_audit() -> bool {
    unsafe extern "C" fn refuse(_: *mut c_void) -> *mut PyObject {
        // SAFETY: called with the GIL held, by `PySys_Audit`.
        unsafe { ffi::PyErr_NoMemory() }
    }
    let refuse: unsafe extern "C" fn(*mut c_void) -> *mut PyObject = refuse;
    let is_heard =
        PySys_Audit(c"hotspur.probe".as_ptr(), c"O&".as_ptr(), refuse as *const c_void, core::ptr::null::<c_void>())
            < 0;
    if is_heard {
        ffi::PyErr_Clear();
    }
    is_heard
}
