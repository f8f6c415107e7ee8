//! Pattern matching.

use super::containers::push_escaped_or_error;
use super::operators::int_from_i64;
use super::truth::bool_object;
use crate::handler;
use hotspur_cpython_sys::*;

handler! {
    GET_LEN(s) {
        s.save_ip();
        let len = ffi::PyObject_Size(s.peek(1));
        if len < 0 {
            return s.error();
        }
        let len = int_from_i64(s, len as i64);
        push_escaped_or_error(s, len)
    }

    MATCH_CLASS(s) {
        s.save_ip();
        let (subject, class, names) = (s.peek(3), s.peek(2), s.peek(1));
        let mut attributes = _PyEval_MatchClass(s.tstate(), subject, class, s.oparg() as isize, names);
        s.shrink(3);
        decref(subject);
        decref(class);
        decref(names);
        if attributes.is_null() {
            if !(*s.tstate()).current_exception.is_null() {
                return s.error();
            }
            // Not an error: it does not match.
            attributes = s.known().none;
        }
        s.push(attributes);
        s.next_escaped(1)
    }

    MATCH_MAPPING(s) {
        let matches = has_feature(ty(s.peek(1)), TPFLAGS_MAPPING);
        s.push(bool_object(s, matches));
        s.next(1)
    }

    MATCH_SEQUENCE(s) {
        let matches = has_feature(ty(s.peek(1)), TPFLAGS_SEQUENCE);
        s.push(bool_object(s, matches));
        s.next(1)
    }

    MATCH_KEYS(s) {
        s.save_ip();
        let values = _PyEval_MatchKeys(s.tstate(), s.peek(2), s.peek(1));
        push_escaped_or_error(s, values)
    }
}
