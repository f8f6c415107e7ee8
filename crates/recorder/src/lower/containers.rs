//! Dictionaries, sets and strings: items, membership, slices; operators and iteration of built-in types. All by helpers that run no
//! other code; where that depends on what is in a container, the helper says that it cannot, and the superblock leaves.

use super::builtins::is_key;
use super::{Lowering, Outcome};
use crate::facts;
use crate::state::Content;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Helper};

unsafe fn is_one_of(op: *mut PyObject, types: &[*mut PyTypeObject]) -> bool {
    types.iter().any(|&t| ptr::eq(ty(op), t))
}

unsafe fn is_dict(op: *mut PyObject) -> bool {
    is_type(op, &raw mut ffi::PyDict_Type)
}

/// Exactly an int, bool, float, str, bytes object or None.
unsafe fn is_plain(op: *mut PyObject) -> bool {
    is_number(op) || facts::is_str(op) || is_type(op, &raw mut ffi::PyBytes_Type) || op == ffi::Py_None()
}

unsafe fn is_number(op: *mut PyObject) -> bool {
    facts::is_int(op) || facts::is_float(op) || is_type(op, &raw mut ffi::PyBool_Type)
}

/// BINARY_SUBSCR of other containers than lists and tuples.
pub(super) unsafe fn item(l: &mut Lowering) -> Option<Outcome> {
    let (container, key) = (l.real(2), l.real(1));
    let is_string = is_one_of(container, &[&raw mut ffi::PyUnicode_Type, &raw mut ffi::PyBytes_Type]);
    if !(is_dict(container) && is_key(key) || is_string && facts::is_compact_int(key)) {
        return None;
    }
    let args = [l.exact(2)?, l.exact(1)?];
    let item = l.found(Helper::Lookup, &args)?;
    if is_string {
        let class = if facts::is_str(container) { &raw mut ffi::PyUnicode_Type } else { &raw mut ffi::PyLong_Type };
        l.f.of_class(item, class);
    }
    l.replace(2, item)
}

/// STORE_SUBSCR of a dictionary.
pub(super) unsafe fn store_item(l: &mut Lowering) -> Option<Outcome> {
    if !is_dict(l.real(2)) || !is_key(l.real(1)) {
        return None;
    }
    let (dict, key) = (l.exact(2)?, l.exact(1)?);
    let value = l.f.peek(3)?;
    let value = l.f.boxed(value);
    l.f.at();
    let storable = l.f.builder.call_helper(Helper::Storable, &[dict, key])?;
    let zero = l.f.builder.const_i64(0);
    l.f.builder.guard_cmp_i64(Cond::Ne, storable, zero);
    let old = l.raising(Helper::DictStore, &[dict, key, value])?;
    let (sub, container, content) = (l.f.pop(), l.f.pop(), l.f.pop());
    l.f.release(Content::Value(old));
    l.f.release(content);
    l.f.release(container);
    l.f.release(sub);
    l.done()
}

pub(super) unsafe fn contains_op(l: &mut Lowering) -> Option<Outcome> {
    let (key, container) = (l.real(2), l.real(1));
    let searched = [
        &raw mut ffi::PyDict_Type,
        &raw mut ffi::PySet_Type,
        &raw mut ffi::PyFrozenSet_Type,
        &raw mut ffi::PyList_Type,
        &raw mut ffi::PyTuple_Type,
    ];
    let is_text = facts::is_str(container) && facts::is_str(key);
    if !(is_text || is_one_of(container, &searched) && is_key(key)) {
        return super::shims::containment(l);
    }
    let args = [l.exact(1)?, l.exact(2)?];
    l.f.at();
    let found = l.f.builder.call_helper(Helper::Member, &args)?;
    let zero = l.f.builder.const_i64(0);
    l.f.builder.guard_cmp_i64(Cond::Ge, found, zero);
    let cond = if l.oparg() == 0 { Cond::Ne } else { Cond::Eq };
    let truth = l.f.builder.cmp_i64(cond, found, zero);
    l.replace(2, truth)
}

pub(super) unsafe fn binary_slice(l: &mut Lowering) -> Option<Outcome> {
    let sliced = [
        &raw mut ffi::PyList_Type,
        &raw mut ffi::PyTuple_Type,
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyBytes_Type,
    ];
    let is_bound = |op| unsafe {
        // SAFETY: a stack item that is an operand.
        op == ffi::Py_None() || facts::is_int(op)
    };
    let (sequence, start, stop) = (l.real(3), l.real(2), l.real(1));
    if !is_one_of(sequence, &sliced) || !is_bound(start) || !is_bound(stop) {
        return None;
    }
    let args = [l.exact(3)?, l.exact(2)?, l.exact(1)?];
    let slice = l.raising(Helper::Slice, &args)?;
    l.f.of_class(slice, ty(sequence));
    l.replace(3, slice)
}

pub(super) unsafe fn get_iter(l: &mut Lowering) -> Option<Outcome> {
    let range = super::ranges::iter(l);
    if range.is_some() {
        return range;
    }
    let iterated = [
        (&raw mut ffi::PyList_Type, &raw mut PyListIter_Type),
        (&raw mut ffi::PyTuple_Type, &raw mut PyTupleIter_Type),
        (&raw mut ffi::PyRange_Type, ptr::null_mut()),
        (&raw mut ffi::PyUnicode_Type, ptr::null_mut()),
        (&raw mut ffi::PyDict_Type, ptr::null_mut()),
        (&raw mut ffi::PySet_Type, ptr::null_mut()),
        (&raw mut ffi::PyDictItems_Type, ptr::null_mut()),
        (&raw mut ffi::PyDictKeys_Type, ptr::null_mut()),
        (&raw mut ffi::PyDictValues_Type, ptr::null_mut()),
    ];
    let class = ty(l.real(1));
    if ptr::eq(class, &raw mut PyGen_Type) {
        // It is its own iterator.
        let generator = l.f.peek(1)?;
        l.f.guard_class(generator, class);
        return l.done();
    }
    let &(_, result) = iterated.iter().find(|(t, _)| ptr::eq(*t, class))?;
    let args = [l.exact(1)?];
    let iter = l.raising(Helper::QuietIter, &args)?;
    if !result.is_null() {
        l.f.of_class(iter, result);
    }
    l.replace(1, iter)
}

/// BINARY_OP by CPython's own functions, where these run no other code. Those that multiply and divide large ints check for signals.
pub(super) unsafe fn operator(l: &mut Lowering) -> Option<Outcome> {
    /// ADD, AND, LSHIFT, OR, RSHIFT, SUBTRACT, XOR.
    const LINEAR: [usize; 7] = [0, 1, 3, 7, 9, 10, 12];
    const ADD: usize = 0;
    const MULTIPLY: usize = 5;
    /// `@`: no number has it.
    const MATRIX_MULTIPLY: usize = 4;
    let (left, right) = (l.real(2), l.real(1));
    let oparg = l.oparg();
    let operator = oparg % 13;
    let sequences = [&raw mut ffi::PyList_Type, &raw mut ffi::PyTuple_Type, &raw mut ffi::PyBytes_Type];
    let same = ptr::eq(ty(left), ty(right));
    let has_float = facts::is_float(left) || facts::is_float(right);
    let is_quiet =
        is_number(left) && is_number(right) && (has_float && operator != MATRIX_MULTIPLY || LINEAR.contains(&operator))
            || operator == ADD && same && is_one_of(left, &sequences)
            || operator == MULTIPLY && facts::is_int(right) && (is_one_of(left, &sequences) || facts::is_str(left));
    if !is_quiet {
        return None;
    }
    let args = [l.exact(2)?, l.exact(1)?, l.f.builder.const_i64(oparg as i64)];
    let result = l.raising(Helper::QuietBinary, &args)?;
    if is_one_of(left, &sequences) {
        l.f.of_class(result, ty(left));
    }
    l.replace(2, result)
}

/// COMPARE_OP by CPython's own functions, where these run no other code.
pub(super) unsafe fn compare(l: &mut Lowering) -> Option<Outcome> {
    let (left, right) = (l.real(2), l.real(1));
    let is_bytes = |op| unsafe {
        // SAFETY: a stack item that is an operand.
        is_type(op, &raw mut ffi::PyBytes_Type)
    };
    // Bytes and strings are not mixed: comparing them may be asked to warn.
    if !is_plain(left) || !is_plain(right) || is_bytes(left) != is_bytes(right) {
        return None;
    }
    let args = [l.exact(2)?, l.exact(1)?, l.f.builder.const_i64(l.oparg() as i64 >> 5)];
    let result = l.raising(Helper::QuietCompare, &args)?;
    l.f.of_class(result, &raw mut ffi::PyBool_Type);
    l.replace(2, result)
}

/// TO_BOOL of what has a length, and of large numbers.
pub(super) unsafe fn truth(l: &mut Lowering) -> Option<Outcome> {
    let types = [
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyDict_Type,
        &raw mut ffi::PySet_Type,
        &raw mut ffi::PyFrozenSet_Type,
        &raw mut ffi::PyBytes_Type,
        &raw mut ffi::PyByteArray_Type,
    ];
    if !is_one_of(l.real(1), &types) {
        return None;
    }
    let args = [l.exact(1)?];
    let truth = l.f.builder.call_helper(Helper::QuietTruth, &args)?;
    let zero = l.f.builder.const_i64(0);
    let truth = l.f.builder.cmp_i64(Cond::Ne, truth, zero);
    l.replace(1, truth)
}
