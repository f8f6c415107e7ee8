//! Watchers: being told when dictionaries, types and functions change.
//!
//! CPython has eight ids of each kind. A watcher of dictionaries or types hears of those that it asked for; a watcher of
//! functions hears of all. Callbacks run before the change, with the GIL held; those here must not run Python code.

use crate::INTERP_GC_OFFSET;
use crate::layout::PyFunctionObject;
use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use pyo3_ffi::{self as ffi, PyDescrObject, PyObject, PyTypeObject};

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

/// How many watchers of functions there may be.
const FUNCTION_WATCHERS: usize = 8;

/// The byte of the main interpreter's state in which a bit is set for each watcher of functions that is there.
static ACTIVE: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// The watchers of functions: bit `n` is set if there is one with the id `n`. All are if that is not known.
#[inline(always)]
pub unsafe fn function_watchers() -> u8 {
    let active = ACTIVE.load(Ordering::Relaxed);
    if active.is_null() { u8::MAX } else { *active }
}

unsafe extern "C-unwind" fn nothing(_: FunctionEvent, _: *mut PyFunctionObject, _: *mut PyObject) -> c_int {
    0
}

/// Where an interpreter keeps its watchers of functions, unless it is a sub-interpreter, where nothing of ours runs. That is found out by having it
/// keep one more. If there is no room for that, nothing is known. An error says what is not as expected.
pub(crate) unsafe fn find_function_watchers(interp: *mut ffi::PyInterpreterState) -> Result<(), String> {
    /// It is looked for in so many words. The interpreter's state is larger.
    const WORDS: usize = 4096;
    if interp != ffi::PyInterpreterState_Main() || !ACTIVE.load(Ordering::Relaxed).is_null() {
        return Ok(());
    }
    let id = PyFunction_AddWatcher(nothing);
    if id < 0 {
        ffi::PyErr_Clear();
        return Ok(());
    }
    let id = id as usize;
    let wanted = nothing as FunctionWatchCallback as usize;
    let state = interp.byte_add(INTERP_GC_OFFSET).cast::<usize>();
    let at = (0..WORDS).map(|i| state.add(i)).find(|&word| *word == wanted);
    let bits = |first: *mut usize| (0..FUNCTION_WATCHERS).map(|i| u8::from(*first.add(i) != 0) << i).sum::<u8>();
    let found = at.map(|at| at.sub(id)).filter(|&first| bits(first) == *first.add(FUNCTION_WATCHERS).cast::<u8>());
    PyFunction_ClearWatcher(id as c_int);
    let found = found.map(|first| (bits(first), first.add(FUNCTION_WATCHERS).cast::<u8>()));
    match found {
        Some((bits, active)) if bits == *active && bits & 1 << id == 0 => {
            ACTIVE.store(active, Ordering::Relaxed);
            Ok(())
        }
        _ => Err("watchers of functions are not where they were expected".to_string()),
    }
}
