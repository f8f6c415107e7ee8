//! `range(...)` where it is iterated over at once, or reversed: the object exists for one instruction only, so it need not be made.

use super::{Lowering, Outcome};
use crate::facts;
use core::ffi::CStr;
use core::ptr;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Value, arithmetic};
use hotspur_tier1::table::{INFO, op};

impl Lowering<'_> {
    /// Whether the next instruction makes an iterator of what this call, with so many arguments, returns: GET_ITER, or a call of `reversed`.
    unsafe fn is_iterated(&self, n: usize) -> bool {
        let next = *self.s.pc.add(self.length());
        match INFO[usize::from(next.op)].base {
            op::GET_ITER => true,
            op::CALL => next.oparg == 1 && self.real(n + 3).is_null() && is_reversed(self.real(n + 4)),
            _ => false,
        }
    }
}

unsafe fn is_reversed(callable: *mut PyObject) -> bool {
    ptr::eq(callable, (&raw mut ffi::PyReversed_Type).cast())
}

/// A call of `range` with ints, if an iterator is all that it is for.
pub(super) unsafe fn call(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    if !ptr::eq(l.real(n + 2), (&raw mut ffi::PyRange_Type).cast()) || !(1..=3).contains(&n) || !l.is_iterated(n) {
        return None;
    }
    let mut numbers = [0, 0, 1];
    for i in 1..=n {
        numbers[if n == 1 { 1 } else { n - i }] = l.real_int(i)?;
    }
    let [start, stop, step] = numbers;
    arithmetic::range_len(start, stop, step)?;
    l.guard_callable(n, false)?;
    let start = if n == 1 { l.f.builder.const_i64(0) } else { l.int(n)? };
    let stop = l.int(if n == 1 { 1 } else { n - 1 })?;
    let step = if n == 3 { l.int(1)? } else { l.f.builder.const_i64(1) };
    if n == 3 {
        let zero = l.f.builder.const_i64(0);
        l.f.at();
        l.f.builder.guard_cmp_i64(Cond::Ne, step, zero);
    }
    let range = l.f.builder.new_range(start, stop, step);
    l.f.owned(range);
    l.f.of_class(range, &raw mut ffi::PyRange_Type);
    l.f.info(range).range = Some([start, stop, step]);
    l.called(n, range)
}

/// A number that makes up a range.
unsafe fn number(range: *mut PyObject, name: &CStr) -> Option<i64> {
    let number = ffi::PyObject_GetAttrString(range, name.as_ptr());
    if number.is_null() {
        ffi::PyErr_Clear();
        return None;
    }
    let value = facts::int_value(number);
    // The range has it still.
    decref(number);
    value
}

/// What such a range, on top of the stack, is made up of, if it has an iterator of its own kind.
unsafe fn parts(l: &mut Lowering) -> Option<[Value; 3]> {
    let range = l.f.peek(1)?;
    let parts = l.f.info(range).range?;
    let real = |name: &CStr| number(l.real(1), name);
    arithmetic::range_len(real(c"start")?, real(c"stop")?, real(c"step")?)?;
    Some(parts)
}

/// An iterator with so many numbers left.
unsafe fn iterator(l: &mut Lowering, start: Value, step: Value, left: Value) -> Value {
    let iter = l.f.builder.new_range_iter(start, step, left);
    l.f.owned(iter);
    l.f.of_class(iter, &raw mut PyRangeIter_Type);
    iter
}

/// GET_ITER of such a range.
pub(super) unsafe fn iter(l: &mut Lowering) -> Option<Outcome> {
    let [start, stop, step] = parts(l)?;
    l.f.at();
    let left = l.f.builder.range_len(start, stop, step);
    let iter = iterator(l, start, step, left);
    l.replace(1, iter)
}

/// A call of `reversed` with such a range. None of these numbers is so large that anything overflows.
pub(super) unsafe fn reversed(l: &mut Lowering) -> Option<Outcome> {
    if l.oparg() != 1 || !l.real(2).is_null() || !is_reversed(l.real(3)) {
        return None;
    }
    let [start, stop, step] = parts(l)?;
    l.guard_callable(1, false)?;
    l.f.at();
    let left = l.f.builder.range_len(start, stop, step);
    // One step before the first number, and as many steps from there as there are numbers: the last one.
    let before = l.f.builder.sub_i64(start, step);
    let width = l.f.builder.mul_i64(left, step);
    let last = l.f.builder.add_i64(before, width);
    let back = l.f.builder.neg_i64(step);
    let iter = iterator(l, last, back, left);
    l.called(1, iter)
}
