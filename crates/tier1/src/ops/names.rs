//! Names of modules' and classes' bodies, and what such bodies need besides.

use crate::dispatch::State;
use crate::handler;
use crate::ops::globals::load_global;
use core::ffi::{CStr, c_int};
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// `PyMapping_GetOptionalItem`: 1 and a new reference, 0 if there is none, -1 on an error (null both times).
#[inline(never)]
pub(super) unsafe fn optional_item(mapping: *mut PyObject, key: *mut PyObject) -> (c_int, *mut PyObject) {
    let mut value = ptr::null_mut();
    let found = ffi::PyMapping_GetOptionalItem(mapping, key, &mut value);
    (found, value)
}

/// `PyDict_GetItemRef`, likewise.
#[inline(never)]
unsafe fn dict_item(dict: *mut PyObject, key: *mut PyObject) -> (c_int, *mut PyObject) {
    let mut value = ptr::null_mut();
    let found = ffi::PyDict_GetItemRef(dict, key, &mut value);
    (found, value)
}

/// Raises NameError.
#[cold]
#[inline(never)]
pub(super) unsafe fn name_error(s: State, name: *mut PyObject) {
    _PyEval_FormatExcCheckArg(s.tstate(), ffi::PyExc_NameError, c"name '%.200s' is not defined".as_ptr(), name);
}

/// Raises SystemError: the frame has no mapping of locals.
#[cold]
#[inline(never)]
unsafe fn no_locals(format: &CStr, name: *mut PyObject) {
    ffi::PyErr_Format(ffi::PyExc_SystemError, format.as_ptr(), name);
}

/// The value of a name, a new reference; null with an exception set if there is none.
#[inline(never)]
unsafe fn load_name(s: State) -> *mut PyObject {
    let locals = (*s.frame).f_locals;
    if locals.is_null() {
        no_locals(c"no locals found", ptr::null_mut());
        return ptr::null_mut();
    }
    let name = s.name(s.oparg());
    let (found, value) = optional_item(locals, name);
    if found != 0 {
        return value;
    }
    let (found, value) = dict_item((*s.frame).f_globals, name);
    if found != 0 {
        return value;
    }
    let (found, value) = optional_item((*s.frame).f_builtins, name);
    if found == 0 {
        name_error(s, name);
    }
    value
}

/// Sees to it that the locals have `__annotations__`; false on an error.
#[inline(never)]
unsafe fn setup_annotations(s: State) -> bool {
    let locals = (*s.frame).f_locals;
    if locals.is_null() {
        no_locals(c"no locals found when setting up annotations", ptr::null_mut());
        return false;
    }
    let name = s.known().name_annotations;
    let (found, value) = optional_item(locals, name);
    if found != 0 {
        xdecref(value);
        return found > 0;
    }
    let dict = ffi::PyDict_New();
    if dict.is_null() {
        return false;
    }
    let stored = ffi::PyObject_SetItem(locals, name, dict) == 0;
    decref(dict);
    stored
}

handler! {
    LOAD_NAME(s) {
        s.save_ip();
        let value = load_name(s);
        if value.is_null() {
            return s.error();
        }
        s.push(value);
        s.next_escaped(1)
    }

    STORE_NAME(s) {
        s.save_ip();
        let value = s.pop();
        let name = s.name(s.oparg());
        let locals = (*s.frame).f_locals;
        let failed = if locals.is_null() {
            no_locals(c"no locals found when storing %R", name);
            true
        } else if is_type(locals, &raw mut ffi::PyDict_Type) {
            ffi::PyDict_SetItem(locals, name, value) != 0
        } else {
            ffi::PyObject_SetItem(locals, name, value) != 0
        };
        decref(value);
        if failed {
            return s.error();
        }
        s.next_escaped(1)
    }

    DELETE_NAME(s) {
        s.save_ip();
        let name = s.name(s.oparg());
        let locals = (*s.frame).f_locals;
        if locals.is_null() {
            no_locals(c"no locals when deleting %R", name);
            return s.error();
        }
        if ffi::PyObject_DelItem(locals, name) != 0 {
            // Whatever the mapping raised is replaced.
            name_error(s, name);
            return s.error();
        }
        s.next_escaped(1)
    }

    LOAD_FROM_DICT_OR_GLOBALS(s) {
        s.save_ip();
        let mapping = s.peek(1);
        let name = s.name(s.oparg());
        let (found, mut value) = optional_item(mapping, name);
        if found == 0 {
            value = load_global(s, name);
        }
        if value.is_null() {
            return s.error();
        }
        s.put(1, value);
        decref(mapping);
        s.next_escaped(1)
    }

    LOAD_LOCALS(s) {
        let locals = (*s.frame).f_locals;
        if locals.is_null() {
            s.save_ip();
            no_locals(c"no locals found", ptr::null_mut());
            return s.error();
        }
        s.push(newref(locals));
        s.next(1)
    }

    SETUP_ANNOTATIONS(s) {
        s.save_ip();
        if !setup_annotations(s) {
            return s.error();
        }
        s.next_escaped(1)
    }

    LOAD_BUILD_CLASS(s) {
        s.save_ip();
        let (found, value) = optional_item((*s.frame).f_builtins, s.known().name_build_class);
        if value.is_null() {
            if found == 0 {
                ffi::PyErr_SetString(ffi::PyExc_NameError, c"__build_class__ not found".as_ptr());
            }
            return s.error();
        }
        s.push(value);
        s.next_escaped(1)
    }

    LOAD_ASSERTION_ERROR(s) {
        s.push(newref(ffi::PyExc_AssertionError));
        s.next(1)
    }
}
