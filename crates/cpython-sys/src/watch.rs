//! Watchers: being told when dictionaries, types and functions change.
//!
//! CPython has eight ids of each kind. A watcher of dictionaries or types hears of those that it asked for; a watcher of
//! functions hears of all. Callbacks run before the change, with the GIL held; those here must not run Python code.

use crate::layout::PyFunctionObject;
use core::ffi::{c_int, c_void};
use pyo3_ffi::{PyDescrObject, PyObject, PyTypeObject};

/// `PyDict_WatchEvent`.
pub type DictEvent = c_int;
pub const DICT_EVENT_ADDED: DictEvent = 0;
pub const DICT_EVENT_MODIFIED: DictEvent = 1;
pub const DICT_EVENT_DELETED: DictEvent = 2;
pub const DICT_EVENT_CLONED: DictEvent = 3;
pub const DICT_EVENT_CLEARED: DictEvent = 4;
pub const DICT_EVENT_DEALLOCATED: DictEvent = 5;

/// `PyFunction_WatchEvent`.
pub type FunctionEvent = c_int;
pub const FUNCTION_EVENT_CREATE: FunctionEvent = 0;
pub const FUNCTION_EVENT_DESTROY: FunctionEvent = 1;

/// Called before a watched dictionary changes. The key is null for the last three events.
pub type DictWatchCallback = unsafe extern "C-unwind" fn(
    event: DictEvent,
    dict: *mut PyObject,
    key: *mut PyObject,
    new_value: *mut PyObject,
) -> c_int;
/// Called before a watched type, or one that it derives from, changes. Not called when a type is freed.
pub type TypeWatchCallback = unsafe extern "C-unwind" fn(*mut PyTypeObject) -> c_int;
/// Called before a function changes, and when one is made or freed.
pub type FunctionWatchCallback =
    unsafe extern "C-unwind" fn(event: FunctionEvent, func: *mut PyFunctionObject, new_value: *mut PyObject) -> c_int;

/// `PyWrapperDescrObject`: a slot of a built-in type as a method, such as `__setitem__`.
#[repr(C)]
pub struct PyWrapperDescrObject {
    pub d_common: PyDescrObject,
    pub d_base: *mut c_void,
    /// The function in the slot when the type was made ready.
    pub d_wrapped: *mut c_void,
}

unsafe extern "C-unwind" {
    /// The id, or negative with an exception set if none is free.
    pub fn PyDict_AddWatcher(callback: DictWatchCallback) -> c_int;
    pub fn PyDict_ClearWatcher(watcher_id: c_int) -> c_int;
    pub fn PyDict_Watch(watcher_id: c_int, dict: *mut PyObject) -> c_int;
    pub fn PyDict_Unwatch(watcher_id: c_int, dict: *mut PyObject) -> c_int;
    /// The id, or negative with an exception set if none is free.
    pub fn PyType_AddWatcher(callback: TypeWatchCallback) -> c_int;
    pub fn PyType_ClearWatcher(watcher_id: c_int) -> c_int;
    pub fn PyType_Watch(watcher_id: c_int, t: *mut PyObject) -> c_int;
    /// The id, or negative with an exception set if none is free.
    pub fn PyFunction_AddWatcher(callback: FunctionWatchCallback) -> c_int;
    pub fn PyFunction_ClearWatcher(watcher_id: c_int) -> c_int;
    pub fn PyUnstable_WritePerfMapEntry(
        code: *const core::ffi::c_void,
        size: core::ffi::c_uint,
        name: *const core::ffi::c_char,
    ) -> c_int;
    pub fn PyUnstable_PerfMapState_Fini();
    pub static mut PyFrameLocalsProxy_Type: PyTypeObject;
    pub static mut PyWrapperDescr_Type: PyTypeObject;
}
