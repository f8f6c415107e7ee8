//! BINARY_OP.

use crate::dispatch::State;
use crate::ops::{MAX_LSHIFT, is_float, is_int, is_str, nb};
use crate::table::op;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// BINARY_OP.
#[cold]
#[inline(never)]
pub unsafe fn binary_op(s: State) {
    match choose(s, s.peek(2), s.peek(1)) {
        Some(special) => s.specialize(special),
        None => s.give_up(),
    }
}

unsafe fn choose(s: State, left: *mut PyObject, right: *mut PyObject) -> Option<u16> {
    let operator = s.oparg() % nb::COUNT;
    if is_int(left) && is_int(right) {
        return int(operator, left, right);
    }
    if is_float(left) && is_float(right) {
        return match operator {
            nb::ADD => Some(op::BINARY_OP_ADD_FLOAT),
            nb::SUBTRACT => Some(op::BINARY_OP_SUBTRACT_FLOAT),
            nb::MULTIPLY => Some(op::BINARY_OP_MULTIPLY_FLOAT),
            nb::TRUE_DIVIDE => Some(op::BINARY_OP_TRUE_DIVIDE_FLOAT),
            _ => None,
        };
    }
    let is_mixed = matches!(operator, nb::ADD | nb::SUBTRACT | nb::MULTIPLY | nb::TRUE_DIVIDE);
    if is_mixed && is_float(left) && is_int(right) && long_is_compact(right) {
        return Some(op::BINARY_OP_FLOAT_INT);
    }
    if is_mixed && is_int(left) && long_is_compact(left) && is_float(right) {
        return Some(op::BINARY_OP_INT_FLOAT);
    }
    if operator == nb::ADD && is_str(left) && is_str(right) {
        let next = s.pc.add(2);
        let stored_back = (*next).op == op::STORE_FAST && *s.local((*next).oparg as usize) == left;
        return Some(if stored_back { op::BINARY_OP_INPLACE_ADD_UNICODE } else { op::BINARY_OP_ADD_UNICODE });
    }
    None
}

unsafe fn int(operator: usize, left: *mut PyObject, right: *mut PyObject) -> Option<u16> {
    match operator {
        nb::ADD => return Some(op::BINARY_OP_ADD_INT),
        nb::SUBTRACT => return Some(op::BINARY_OP_SUBTRACT_INT),
        nb::MULTIPLY => return Some(op::BINARY_OP_MULTIPLY_INT),
        _ => {}
    }
    // The others are specialized for compact operands only.
    if !long_is_compact(left) || !long_is_compact(right) {
        return None;
    }
    let b = long_compact_value(right);
    match operator {
        nb::FLOOR_DIVIDE if b != 0 => Some(op::BINARY_OP_FLOOR_DIVIDE_INT),
        nb::REMAINDER if b != 0 => Some(op::BINARY_OP_REMAINDER_INT),
        nb::AND => Some(op::BINARY_OP_AND_INT),
        nb::OR => Some(op::BINARY_OP_OR_INT),
        nb::XOR => Some(op::BINARY_OP_XOR_INT),
        nb::LSHIFT if (0..=MAX_LSHIFT).contains(&b) => Some(op::BINARY_OP_LSHIFT_INT),
        nb::RSHIFT if b >= 0 => Some(op::BINARY_OP_RSHIFT_INT),
        _ => None,
    }
}
