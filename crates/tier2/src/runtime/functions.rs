//! Function objects, and the memory of dead ones.
//!
//! Generator expressions and functions within functions are made, called once and dropped. CPython's way there leads through the allocator, two
//! look-ups in the globals and the watchers of functions. So the memory of functions that [`free_quiet`](super::free_quiet) frees is kept in a
//! list, as `instances.rs` keeps that of instances. Functions that somebody else watches are left to CPython.

use super::dying::{drop_quiet, rare_of};
use crate::watch;
use core::cell::{Cell, UnsafeCell};
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, vectorcallfunc};
use hotspur_cpython_sys::*;
use hotspur_tier1::boxes::FreeList;

struct Dead {
    functions: UnsafeCell<FreeList>,
    /// How CPython has functions called that are new.
    vectorcall: Cell<Option<vectorcallfunc>>,
    /// What is looked up in the globals: interned strings.
    builtins: Cell<*mut PyObject>,
    name: Cell<*mut PyObject>,
}
// SAFETY: only touched with the GIL of the main interpreter held.
unsafe impl Sync for Dead {}
static DEAD: Dead = Dead {
    functions: UnsafeCell::new(FreeList::EMPTY),
    vectorcall: Cell::new(None),
    builtins: Cell::new(ptr::null_mut()),
    name: Cell::new(ptr::null_mut()),
};

/// A new function of a code object. Null with an exception if there is no memory, or the globals are out of order.
pub(super) unsafe fn new_function(code: *mut PyObject, globals: *mut PyObject) -> *mut PyObject {
    let function = from_list(code.cast(), globals).unwrap_or_else(|| made(code, globals));
    if !function.is_null() {
        _PyFunction_SetVersion(function.cast(), (*code.cast::<PyCodeObject>()).co_version);
    }
    function
}

/// One that CPython makes, from which the list learns what it has to know.
unsafe fn made(code: *mut PyObject, globals: *mut PyObject) -> *mut PyObject {
    let function = ffi::PyFunction_New(code, globals);
    if !function.is_null() && DEAD.vectorcall.get().is_none() {
        DEAD.builtins.set(ffi::PyUnicode_InternFromString(c"__builtins__".as_ptr()));
        DEAD.name.set(ffi::PyUnicode_InternFromString(c"__name__".as_ptr()));
        if DEAD.builtins.get().is_null() || DEAD.name.get().is_null() {
            ffi::PyErr_Clear();
        } else {
            DEAD.vectorcall.set((*function.cast::<PyFunctionObject>()).vectorcall);
        }
    }
    function
}

/// One from the list, if there is one, and the globals are as they usually are.
unsafe fn from_list(code: *mut PyCodeObject, globals: *mut PyObject) -> Option<*mut PyObject> {
    let list = &mut *DEAD.functions.get();
    if list.is_empty() || !watch::is_only_watcher_of_functions() {
        return None;
    }
    if !is_type(globals, &raw mut ffi::PyDict_Type) {
        return None;
    }
    let mut builtins = dict_find(globals, DEAD.builtins.get())?;
    if builtins.is_null() {
        return None;
    }
    if is_type(builtins, &raw mut ffi::PyModule_Type) {
        builtins = ffi::PyModule_GetDict(builtins);
    } else if !is_type(builtins, &raw mut ffi::PyDict_Type) {
        return None;
    }
    let module = dict_find(globals, DEAD.name.get())?;
    if !gc_count_new() {
        return None;
    }
    let consts = (*code).co_consts;
    let first = if size(consts) > 0 { tuple_item(consts, 0) } else { ffi::Py_None() };
    let doc = if is_type(first, &raw mut ffi::PyUnicode_Type) { first } else { ffi::Py_None() };
    let op = list.take(&raw mut PyFunction_Type);
    op.cast::<PyFunctionObject>().write(PyFunctionObject {
        ob_base: op.read(),
        func_globals: newref(globals),
        func_builtins: newref(builtins),
        func_name: newref((*code).co_name),
        func_qualname: newref((*code).co_qualname),
        func_code: newref(code.cast()),
        func_defaults: ptr::null_mut(),
        func_kwdefaults: ptr::null_mut(),
        func_closure: ptr::null_mut(),
        func_doc: newref(doc),
        func_dict: ptr::null_mut(),
        func_weakreflist: ptr::null_mut(),
        func_module: if module.is_null() { module } else { newref(module) },
        func_annotations: ptr::null_mut(),
        func_typeparams: ptr::null_mut(),
        vectorcall: DEAD.vectorcall.get(),
        func_version: 0,
    });
    gc_track(op);
    Some(op)
}

/// Frees a function whose count is zero and of which it is known that it dies quietly: no executor relies on it, and there are no weak references.
pub(super) unsafe fn free_function(op: *mut PyObject) {
    let list = &mut *DEAD.functions.get();
    // Nothing is known before the first function was made.
    if DEAD.vectorcall.get().is_none() || !watch::is_only_watcher_of_functions() || !list.put(op) {
        return dealloc(op);
    }
    // Its fields are as they were. No function is made until it is done with them.
    _PyFunction_SetVersion(op.cast(), 0);
    gc_forget(op);
    let f = &*op.cast::<PyFunctionObject>();
    drop_quiet(f.func_globals);
    drop_quiet(f.func_builtins);
    drop_quiet(f.func_code);
    drop_quiet(f.func_closure);
    drop_quiet(f.func_name);
    drop_quiet(f.func_qualname);
    drop_quiet(f.func_module);
    drop_quiet(f.func_doc);
    if let Some(rare) = rare_of(f) {
        rare.into_iter().for_each(|field| drop_quiet(field));
    }
    gc_count_gone();
}
