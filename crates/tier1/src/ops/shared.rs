//! Ends that instructions share.

use crate::boxes::{quick_free_float, quick_free_int};
use crate::generators::free_finished;
use crate::handler;
use crate::table::LENGTH;
use ffi::PyObject;
use hotspur_cpython_sys::*;

handler! {
    /// The last reference to the payload is gone: deallocates it, then executes the instruction after the one at `pc`.
    #[cold]
    dealloc_then_next(s, object: usize) {
        let object = object as *mut PyObject;
        // Most of what dies here are numbers.
        let t = ty(object);
        if (t == &raw mut ffi::PyLong_Type && quick_free_int(object))
            || (t == &raw mut ffi::PyFloat_Type && quick_free_float(object))
        {
            return s.next(usize::from(LENGTH[usize::from((*s.pc).op)]));
        }
        s.tail_with(dealloc_then_next_slow, object as usize)
    }

    #[cold]
    dealloc_then_next_slow(s, object: usize) {
        let object = object as *mut PyObject;
        let words = usize::from(LENGTH[usize::from((*s.pc).op)]);
        if free_finished(object) {
            return s.next(words);
        }
        s.save_ip();
        dealloc(object);
        s.next_escaped(words)
    }

    /// A number that the table has no row for, or that no valid code reaches: CPython has the right message for it.
    #[cold]
    unknown(s) {
        s.tail(crate::eval::hand_over)
    }
}
