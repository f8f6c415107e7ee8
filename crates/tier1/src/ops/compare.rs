//! Comparisons, identity, containment.

use super::operators::{compact_value, drop_floats_then_next, drop_ints_then_next, drop_str, is_float, is_int, is_str};
use super::truth::bool_object;
use crate::code::Word;
use crate::dispatch::{Ret, State};
use crate::shims;
use crate::table::{LENGTH, op};
use crate::{adapt, handler};
use core::ffi::c_int;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Words of COMPARE_OP and CONTAINS_OP.
const WORDS: usize = 2;

// The low bits of COMPARE_OP's argument: the outcomes of which the comparison is true.
const UNORDERED: usize = 1;
const LESS: usize = 2;
const GREATER: usize = 4;
const EQUAL: usize = 8;
/// The result is to be converted to a bool.
const TO_BOOL: usize = 16;

handler! {
    COMPARE_OP(s) {
        adapt!(s, crate::specialize::truth::compare_op);
        s.save_ip();
        let (left, right) = (s.peek(2), s.peek(1));
        let found = shims::compare(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let mut result = ffi::PyObject_RichCompare(left, right, (s.oparg() >> 5) as c_int);
        s.shrink(2);
        decref(left);
        decref(right);
        if result.is_null() {
            return s.error();
        }
        if s.oparg() & TO_BOOL != 0 {
            let truth = ffi::PyObject_IsTrue(result);
            decref(result);
            if truth < 0 {
                return s.error();
            }
            result = bool_object(s, truth != 0);
        }
        s.push(result);
        s.next_escaped(WORDS)
    }

    COMPARE_OP_INT(s) {
        let (left, right) = (s.peek(2), s.peek(1));
        if !is_int(left) || !is_int(right) || !long_is_compact(left) || !long_is_compact(right) {
            return s.tail(COMPARE_OP);
        }
        let (a, b) = (compact_value(left), compact_value(right));
        let outcome = if a < b { LESS } else if a > b { GREATER } else { EQUAL };
        let truth = outcome & s.oparg() != 0;
        if refcnt(left) == 1 || refcnt(right) == 1 || left == right {
            s.put(2, bool_object(s, truth));
            s.shrink(1);
            return drop_ints_then_next(s, left, right);
        }
        decref_no_dealloc(left);
        decref_no_dealloc(right);
        branch_or_push(s, truth)
    }

    COMPARE_OP_FLOAT(s) {
        let (left, right) = (s.peek(2), s.peek(1));
        if !is_float(left) || !is_float(right) {
            return s.tail(COMPARE_OP);
        }
        let (a, b) = (float_value(left), float_value(right));
        let outcome = if a == b { EQUAL } else if a < b { LESS } else if a > b { GREATER } else { UNORDERED };
        let truth = outcome & s.oparg() != 0;
        if refcnt(left) == 1 || refcnt(right) == 1 || left == right {
            s.put(2, bool_object(s, truth));
            s.shrink(1);
            return drop_floats_then_next(s, left, right);
        }
        decref_no_dealloc(left);
        decref_no_dealloc(right);
        branch_or_push(s, truth)
    }

    /// `==` and `!=`.
    COMPARE_OP_STR(s) {
        let (left, right) = (s.peek(2), s.peek(1));
        if !is_str(left) || !is_str(right) {
            return s.tail(COMPARE_OP);
        }
        if left != right {
            return s.tail(compare_str);
        }
        s.put(2, bool_object(s, EQUAL & s.oparg() != 0));
        s.shrink(1);
        decref_no_dealloc(left);
        s.decref_then_next(right, WORDS)
    }

    compare_str(s) {
        let (left, right) = (s.peek(2), s.peek(1));
        let outcome = if unicode_equal(left, right) { EQUAL } else { UNORDERED | LESS | GREATER };
        s.put(2, bool_object(s, outcome & s.oparg() != 0));
        s.shrink(1);
        drop_str(left);
        drop_str(right);
        s.next(WORDS)
    }

    IS_OP(s) {
        let (left, right) = (s.peek(2), s.peek(1));
        s.put(2, bool_object(s, (left == right) != (s.oparg() != 0)));
        s.shrink(1);
        if decref_is_zero(left) {
            return s.tail_with(dealloc_drop_then_next, left as usize);
        }
        s.decref_then_next(right, 1)
    }

    /// The payload died, and the slot above the stack has another object to drop.
    #[cold]
    dealloc_drop_then_next(s, object: usize) {
        s.save_ip();
        let other = *s.sp;
        dealloc(object as *mut PyObject);
        decref(other);
        let words = usize::from(LENGTH[usize::from((*s.pc).op)]);
        s.next_escaped(words)
    }

    CONTAINS_OP(s) {
        adapt!(s, crate::specialize::truth::contains_op);
        s.save_ip();
        let found = shims::contains(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let found = shims::contains_hashed(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let found = ffi::PySequence_Contains(s.peek(1), s.peek(2));
        finish_contains(s, found)
    }

    CONTAINS_OP_SET(s) {
        let container = s.peek(1);
        if !is_type(container, &raw mut ffi::PySet_Type) && !is_type(container, &raw mut ffi::PyFrozenSet_Type) {
            return s.tail(CONTAINS_OP);
        }
        s.save_ip();
        let found = shims::contains_hashed(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let found = _PySet_Contains(container, s.peek(2));
        finish_contains(s, found)
    }

    CONTAINS_OP_DICT(s) {
        let container = s.peek(1);
        if !is_type(container, &raw mut ffi::PyDict_Type) {
            return s.tail(CONTAINS_OP);
        }
        s.save_ip();
        let found = shims::contains_hashed(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let found = ffi::PyDict_Contains(container, s.peek(2));
        finish_contains(s, found)
    }
}

/// Ends a comparison whose operands are dropped (but still on the stack): as most comparisons are made to be branched on, a
/// conditional jump behind it is done along with it, and needs no bool object. Neither instruction can run other code.
#[inline(always)]
unsafe fn branch_or_push(mut s: State, truth: bool) -> Ret {
    s.shrink(2);
    let jump = s.pc.add(WORDS);
    let op = (*jump).op;
    if op == op::POP_JUMP_IF_FALSE || op == op::POP_JUMP_IF_TRUE {
        let taken = truth == (op == op::POP_JUMP_IF_TRUE);
        s.pc = jump.add(2 + if taken { (*jump).oparg as usize } else { 0 });
        return s.dispatch();
    }
    s.push(bool_object(s, truth));
    s.next(WORDS)
}

/// The conditional jump that the comparison at `pc` takes along, if its operands are what it is specialized for; or null.
pub(crate) unsafe fn taken_along(pc: *const Word) -> *const Word {
    let jump = pc.add(WORDS);
    let is_specialized = matches!((*pc).op, op::COMPARE_OP_INT | op::COMPARE_OP_FLOAT | op::COMPARE_OP_STR);
    let takes_it = is_specialized && matches!((*jump).op, op::POP_JUMP_IF_FALSE | op::POP_JUMP_IF_TRUE);
    if takes_it { jump } else { core::ptr::null() }
}

/// Replaces the operands of a containment test by what it found, negated if the argument says so.
#[inline(always)]
unsafe fn finish_contains(mut s: State, found: c_int) -> Ret {
    let (left, right) = (s.peek(2), s.peek(1));
    s.shrink(2);
    decref(left);
    decref(right);
    if found < 0 {
        return s.error();
    }
    s.push(bool_object(s, (found != 0) != (s.oparg() != 0)));
    s.next_escaped(WORDS)
}
