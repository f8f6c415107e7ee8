//! Truth values.

use super::operators::{free_int, is_int, is_str};
use crate::dispatch::State;
use crate::shims;
use crate::{adapt, handler};
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Words of TO_BOOL.
const WORDS: usize = 4;

handler! {
    TO_BOOL(s) {
        adapt!(s, crate::specialize::truth::to_bool);
        s.save_ip();
        let found = shims::truth(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let value = s.pop();
        let truth = ffi::PyObject_IsTrue(value);
        decref(value);
        if truth < 0 {
            return s.error();
        }
        s.push(bool_object(s, truth != 0));
        s.next_escaped(WORDS)
    }

    TO_BOOL_BOOL(s) {
        if !is_type(s.peek(1), &raw mut ffi::PyBool_Type) {
            return s.tail(TO_BOOL);
        }
        s.next(WORDS)
    }

    TO_BOOL_INT(s) {
        let value = s.peek(1);
        if !is_int(value) {
            return s.tail(TO_BOOL);
        }
        // The two low bits of the tag are 1 for zero only.
        let is_zero = (*value.cast::<PyLongObject>()).lv_tag & 3 == 1;
        s.put(1, bool_object(s, !is_zero));
        if decref_is_zero(value) {
            return s.tail_with(to_bool_free_int, value as usize);
        }
        s.next(WORDS)
    }

    to_bool_free_int(s, int: usize) {
        free_int(int as *mut PyObject);
        s.next(WORDS)
    }

    TO_BOOL_LIST(s) {
        let value = s.peek(1);
        if !is_type(value, &raw mut ffi::PyList_Type) {
            return s.tail(TO_BOOL);
        }
        s.put(1, bool_object(s, size(value) != 0));
        s.decref_then_next(value, WORDS)
    }

    TO_BOOL_NONE(s) {
        let known = s.known();
        if s.peek(1) != known.none {
            return s.tail(TO_BOOL);
        }
        s.put(1, known.false_);
        s.next(WORDS)
    }

    TO_BOOL_STR(s) {
        let value = s.peek(1);
        if !is_str(value) {
            return s.tail(TO_BOOL);
        }
        s.put(1, bool_object(s, (*value.cast::<PyASCIIObject>()).length != 0));
        s.decref_then_next(value, WORDS)
    }

    /// The type (its version is in the cache) defines neither `__bool__` nor `__len__`.
    TO_BOOL_ALWAYS_TRUE(s) {
        let value = s.peek(1);
        if u64::from((*ty(value)).tp_version_tag) != *s.cache(1) {
            return s.tail(TO_BOOL);
        }
        s.put(1, s.known().true_);
        s.decref_then_next(value, WORDS)
    }
}

/// `True` or `False`; immortal, so there is no reference to count.
#[inline(always)]
pub(crate) unsafe fn bool_object(s: State, value: bool) -> *mut PyObject {
    let known = s.known();
    if value { known.true_ } else { known.false_ }
}
