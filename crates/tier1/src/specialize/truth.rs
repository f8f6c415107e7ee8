//! TO_BOOL, COMPARE_OP, CONTAINS_OP.

use crate::dispatch::State;
use crate::ops::{is_float, is_int, is_str};
use crate::table::op;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// TO_BOOL.
#[cold]
#[inline(never)]
pub unsafe fn to_bool(s: State) {
    let value = s.peek(1);
    let special = if is_type(value, &raw mut ffi::PyBool_Type) {
        op::TO_BOOL_BOOL
    } else if is_int(value) {
        op::TO_BOOL_INT
    } else if is_type(value, &raw mut ffi::PyList_Type) {
        op::TO_BOOL_LIST
    } else if value == s.known().none {
        op::TO_BOOL_NONE
    } else if is_str(value) {
        op::TO_BOOL_STR
    } else {
        let version = version_if_always_true(ty(value));
        if version == 0 {
            return s.give_up();
        }
        *s.cache(1) = u64::from(version);
        op::TO_BOOL_ALWAYS_TRUE
    };
    s.specialize(special);
}

/// The version of a type whose instances are all true, or 0.
unsafe fn version_if_always_true(t: *mut PyTypeObject) -> u32 {
    let number = (*t).tp_as_number;
    let mapping = (*t).tp_as_mapping;
    let sequence = (*t).tp_as_sequence;
    if !has_feature(t, TPFLAGS_HEAPTYPE)
        || (!number.is_null() && (*number).nb_bool.is_some())
        || (!mapping.is_null() && (*mapping).mp_length.is_some())
        || (!sequence.is_null() && (*sequence).sq_length.is_some())
        || PyUnstable_Type_AssignVersionTag(t) == 0
    {
        return 0;
    }
    (*t).tp_version_tag
}

/// COMPARE_OP.
#[cold]
#[inline(never)]
pub unsafe fn compare_op(s: State) {
    let (left, right) = (s.peek(2), s.peek(1));
    let operator = (s.oparg() >> 5) as i32;
    if is_float(left) && is_float(right) {
        s.specialize(op::COMPARE_OP_FLOAT)
    } else if is_int(left) && is_int(right) && long_is_compact(left) && long_is_compact(right) {
        s.specialize(op::COMPARE_OP_INT)
    } else if is_str(left) && is_str(right) && matches!(operator, ffi::Py_EQ | ffi::Py_NE) {
        s.specialize(op::COMPARE_OP_STR)
    } else {
        s.give_up()
    }
}

/// CONTAINS_OP.
#[cold]
#[inline(never)]
pub unsafe fn contains_op(s: State) {
    let container: *mut PyObject = s.peek(1);
    if is_type(container, &raw mut ffi::PyDict_Type) {
        s.specialize(op::CONTAINS_OP_DICT)
    } else if is_type(container, &raw mut ffi::PySet_Type) || is_type(container, &raw mut ffi::PyFrozenSet_Type) {
        s.specialize(op::CONTAINS_OP_SET)
    } else {
        s.give_up()
    }
}
