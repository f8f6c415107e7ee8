//! Making functions.

use crate::handler;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Arguments of SET_FUNCTION_ATTRIBUTE.
const DEFAULTS: usize = 1;
const KWDEFAULTS: usize = 2;
const ANNOTATIONS: usize = 4;
const CLOSURE: usize = 8;

handler! {
    MAKE_FUNCTION(s) {
        s.save_ip();
        let code = s.pop();
        let function = ffi::PyFunction_New(code, (*s.frame).f_globals);
        if function.is_null() {
            decref(code);
            return s.error();
        }
        // The function holds the code.
        decref_no_dealloc(code);
        _PyFunction_SetVersion(function.cast(), (*code.cast::<PyCodeObject>()).co_version);
        s.push(function);
        s.next_escaped(1)
    }

    SET_FUNCTION_ATTRIBUTE(s) {
        let function = s.pop();
        let attribute: *mut PyObject = s.peek(1);
        let f = function.cast::<PyFunctionObject>();
        // The function is new: the field is empty.
        match s.oparg() {
            CLOSURE => (*f).func_closure = attribute,
            ANNOTATIONS => (*f).func_annotations = attribute,
            KWDEFAULTS => (*f).func_kwdefaults = attribute,
            DEFAULTS => (*f).func_defaults = attribute,
            _ => core::hint::unreachable_unchecked(),
        }
        s.put(1, function);
        s.next(1)
    }
}
