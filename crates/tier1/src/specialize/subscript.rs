//! BINARY_SUBSCR, STORE_SUBSCR, UNPACK_SEQUENCE.

use crate::dispatch::State;
use crate::ops::{is_int, is_str, look_up_ascii};
use crate::table::op;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// BINARY_SUBSCR.
#[cold]
#[inline(never)]
pub unsafe fn binary_subscr(s: State) {
    let (container, sub) = (s.peek(2), s.peek(1));
    if is_int(sub) && long_is_compact(sub) {
        if is_type(container, &raw mut ffi::PyList_Type) {
            return s.specialize(op::BINARY_SUBSCR_LIST_INT);
        }
        if is_type(container, &raw mut ffi::PyTuple_Type) {
            return s.specialize(op::BINARY_SUBSCR_TUPLE_INT);
        }
        if is_str(container) && look_up_ascii() {
            return s.specialize(op::BINARY_SUBSCR_STR_INT);
        }
    }
    if is_type(container, &raw mut ffi::PyDict_Type) {
        return s.specialize(op::BINARY_SUBSCR_DICT);
    }
    match getitem_versions(s, container) {
        Some(versions) => {
            *s.cache(1) = versions;
            s.specialize(op::BINARY_SUBSCR_GETITEM)
        }
        None => s.give_up(),
    }
}

/// What BINARY_SUBSCR_GETITEM caches, if the type's `__getitem__` is a function that it can call.
unsafe fn getitem_versions(s: State, container: *mut PyObject) -> Option<u64> {
    let t = ty(container);
    if !has_feature(t, TPFLAGS_HEAPTYPE) {
        return None;
    }
    let getitem = _PyType_Lookup(t, s.known().name_getitem);
    if getitem.is_null() || !is_type(getitem, &raw mut PyFunction_Type) {
        return None;
    }
    let function = getitem.cast::<PyFunctionObject>();
    let code = (*function).func_code.cast::<PyCodeObject>();
    let is_simple = (*code).co_flags & (CO_VARKEYWORDS | CO_VARARGS | CO_OPTIMIZED) == CO_OPTIMIZED
        && (*code).co_kwonlyargcount == 0
        && (*code).co_argcount == 2;
    if !is_simple || (*function).func_version == 0 || PyUnstable_Type_AssignVersionTag(t) == 0 {
        return None;
    }
    Some(u64::from((*t).tp_version_tag) | u64::from((*function).func_version) << 32)
}

/// STORE_SUBSCR.
#[cold]
#[inline(never)]
pub unsafe fn store_subscr(s: State) {
    let (container, sub) = (s.peek(2), s.peek(1));
    if is_type(container, &raw mut ffi::PyDict_Type) {
        return s.specialize(op::STORE_SUBSCR_DICT);
    }
    if is_type(container, &raw mut ffi::PyList_Type) && is_int(sub) && long_is_compact(sub) {
        let (i, len) = (long_compact_value(sub), size(container));
        if (-len..len).contains(&i) {
            return s.specialize(op::STORE_SUBSCR_LIST_INT);
        }
    }
    s.give_up()
}

/// UNPACK_SEQUENCE.
#[cold]
#[inline(never)]
pub unsafe fn unpack_sequence(s: State) {
    let sequence = s.peek(1);
    let is_tuple = is_type(sequence, &raw mut ffi::PyTuple_Type);
    let is_list = is_type(sequence, &raw mut ffi::PyList_Type);
    if !(is_tuple || is_list) || size(sequence) as usize != s.oparg() {
        s.give_up()
    } else if is_list {
        s.specialize(op::UNPACK_SEQUENCE_LIST)
    } else if s.oparg() == 2 {
        s.specialize(op::UNPACK_SEQUENCE_TWO_TUPLE)
    } else {
        s.specialize(op::UNPACK_SEQUENCE_TUPLE)
    }
}
