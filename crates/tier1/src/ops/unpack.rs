//! Unpacking.

use crate::{adapt, handler};
use core::ffi::c_int;
use hotspur_cpython_sys::*;

/// Words of UNPACK_SEQUENCE.
const WORDS: usize = 2;

handler! {
    UNPACK_SEQUENCE(s) {
        adapt!(s, crate::specialize::subscript::unpack_sequence);
        s.save_ip();
        let sequence = s.pop();
        // Filled from above, the first item being on top.
        let top = s.sp.add(s.oparg());
        let done = _PyEval_UnpackIterable(s.tstate(), sequence, s.oparg() as c_int, -1, top);
        decref(sequence);
        if done == 0 {
            return s.error();
        }
        s.sp = top;
        s.next_escaped(WORDS)
    }

    UNPACK_SEQUENCE_TWO_TUPLE(s) {
        let sequence = s.peek(1);
        if !is_type(sequence, &raw mut ffi::PyTuple_Type) || size(sequence) != 2 {
            return s.tail(UNPACK_SEQUENCE);
        }
        s.put(1, newref(tuple_item(sequence, 1)));
        s.push(newref(tuple_item(sequence, 0)));
        s.decref_then_next(sequence, WORDS)
    }

    UNPACK_SEQUENCE_TUPLE(s) {
        let sequence = s.peek(1);
        let n = s.oparg();
        if !is_type(sequence, &raw mut ffi::PyTuple_Type) || size(sequence) as usize != n {
            return s.tail(UNPACK_SEQUENCE);
        }
        s.shrink(1);
        let items = tuple_items(sequence);
        for i in (0..n).rev() {
            s.push(newref(*items.add(i)));
        }
        s.decref_then_next(sequence, WORDS)
    }

    UNPACK_SEQUENCE_LIST(s) {
        let sequence = s.peek(1);
        let n = s.oparg();
        if !is_type(sequence, &raw mut ffi::PyList_Type) || size(sequence) as usize != n {
            return s.tail(UNPACK_SEQUENCE);
        }
        s.shrink(1);
        let items = list_items(sequence);
        for i in (0..n).rev() {
            s.push(newref(*items.add(i)));
        }
        s.decref_then_next(sequence, WORDS)
    }

    UNPACK_EX(s) {
        s.save_ip();
        let (before, after) = (s.oparg() & 0xff, s.oparg() >> 8);
        let sequence = s.pop();
        let top = s.sp.add(before + 1 + after);
        let done = _PyEval_UnpackIterable(s.tstate(), sequence, before as c_int, after as c_int, top);
        decref(sequence);
        if done == 0 {
            return s.error();
        }
        s.sp = top;
        s.next_escaped(1)
    }
}
