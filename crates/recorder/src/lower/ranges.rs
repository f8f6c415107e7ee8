//! `range(...)` where it is iterated over at once: the object exists for one instruction only, so it need not be made.

use super::{Lowering, Outcome};
use crate::facts;
use core::ffi::CStr;
use core::ptr;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, arithmetic};
use hotspur_tier1::table::{INFO, op};

impl Lowering<'_> {
    /// Whether the next instruction makes an iterator.
    unsafe fn is_iterated(&self) -> bool {
        let next = (*self.s.pc.add(self.length())).op;
        INFO[usize::from(next)].base == op::GET_ITER
    }
}

/// A call of `range` with ints, if an iterator is all that it is for.
pub(super) unsafe fn call(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    if !ptr::eq(l.real(n + 2), (&raw mut ffi::PyRange_Type).cast()) || !(1..=3).contains(&n) || !l.is_iterated() {
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

/// GET_ITER of such a range.
pub(super) unsafe fn iter(l: &mut Lowering) -> Option<Outcome> {
    let range = l.f.peek(1)?;
    let [start, stop, step] = l.f.info(range).range?;
    let real = |name: &CStr| number(l.real(1), name);
    arithmetic::range_len(real(c"start")?, real(c"stop")?, real(c"step")?)?;
    l.f.at();
    let left = l.f.builder.range_len(start, stop, step);
    let iter = l.f.builder.new_range_iter(start, step, left);
    l.f.owned(iter);
    l.f.of_class(iter, &raw mut PyRangeIter_Type);
    l.replace(1, iter)
}
