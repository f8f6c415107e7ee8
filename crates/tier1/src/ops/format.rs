//! Formatted strings.

use super::containers::push_escaped_or_error;
use super::operators::is_str;
use crate::handler;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

handler! {
    FORMAT_SIMPLE(s) {
        // A string is its own format.
        if is_str(s.peek(1)) {
            return s.next(1);
        }
        s.tail(format_other)
    }

    format_other(s) {
        s.save_ip();
        let value = s.pop();
        let result = ffi::PyObject_Format(value, ptr::null_mut());
        decref(value);
        push_escaped_or_error(s, result)
    }

    FORMAT_WITH_SPEC(s) {
        s.save_ip();
        let spec = s.pop();
        let value = s.pop();
        let result = ffi::PyObject_Format(value, spec);
        decref(value);
        decref(spec);
        push_escaped_or_error(s, result)
    }

    CONVERT_VALUE(s) {
        type ConversionFunction = unsafe extern "C-unwind" fn(*mut PyObject) -> *mut PyObject;
        s.save_ip();
        let value = s.pop();
        let f = *(&raw const _PyEval_ConversionFuncs).cast::<ConversionFunction>().add(s.oparg());
        let result = f(value);
        decref(value);
        push_escaped_or_error(s, result)
    }

    BUILD_STRING(s) {
        s.save_ip();
        let n = s.oparg();
        let string = _PyUnicode_JoinArray(s.known().empty_string, s.sp.sub(n), n as isize);
        for _ in 0..n {
            let piece = s.pop();
            decref(piece);
        }
        push_escaped_or_error(s, string)
    }
}
