//! Ends that instructions share.

use crate::handler;
use crate::table::LENGTH;
use ffi::PyObject;
use hotspur_cpython_sys::*;

handler! {
    /// The last reference to the payload is gone: deallocates it, then executes the instruction after the one at `pc`.
    #[cold]
    dealloc_then_next(s, object: usize) {
        s.save_ip();
        dealloc(object as *mut PyObject);
        let words = usize::from(LENGTH[usize::from((*s.pc).op)]);
        s.next_escaped(words)
    }

    /// A number that the table has no row for, or that no valid code reaches: CPython has the right message for it.
    #[cold]
    unknown(s) {
        s.tail(crate::eval::hand_over)
    }
}
