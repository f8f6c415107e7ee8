//! Unary and binary operators, and numbers as operands.

use super::{Lowering, Outcome};
use crate::facts;
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Float, Helper, Resume, Value};
use hotspur_tier1::table::op;

/// The arguments of BINARY_OP (`Include/opcode.h`); those of the in-place operators follow in the same order.
mod nb {
    pub const ADD: usize = 0;
    pub const AND: usize = 1;
    pub const FLOOR_DIVIDE: usize = 2;
    pub const LSHIFT: usize = 3;
    pub const MULTIPLY: usize = 5;
    pub const REMAINDER: usize = 6;
    pub const OR: usize = 7;
    pub const POWER: usize = 8;
    pub const RSHIFT: usize = 9;
    pub const SUBTRACT: usize = 10;
    pub const TRUE_DIVIDE: usize = 11;
    pub const XOR: usize = 12;
    /// How many operators there are, each with its in-place variant.
    pub const COUNT: usize = 13;
}

impl Lowering<'_> {
    /// The value of the operand `n` from the top, if it really is an int that [`Lowering::int`] can load.
    pub(super) unsafe fn real_int(&mut self, n: usize) -> Option<i64> {
        let real = self.real(n);
        if !facts::is_int(real) {
            return None;
        }
        let v = self.f.peek(n)?;
        if long_is_wide(real) || self.f.info(v).unboxed.is_some() { facts::int_value(real) } else { None }
    }

    /// The operand as an unboxed integer. It was asked for by [`Lowering::real_int`].
    pub(super) unsafe fn int(&mut self, n: usize) -> Option<Value> {
        let v = self.f.peek(n)?;
        let is_compact = long_is_compact(self.real(n));
        self.int_of(v, is_compact)
    }

    unsafe fn int_of(&mut self, v: Value, is_compact: bool) -> Option<Value> {
        let info = *self.f.info(v);
        if let Some(unboxed) = info.unboxed {
            return Some(unboxed);
        }
        let unboxed = if info.constant.is_null() && is_compact {
            self.compact(v);
            self.f.builder.unbox_i64(v)
        } else if info.constant.is_null() {
            self.wide(v);
            self.f.builder.unbox_wide(v)
        } else {
            self.f.builder.const_i64(facts::int_value(info.constant)?)
        };
        self.f.info(v).unboxed = Some(unboxed);
        Some(unboxed)
    }

    /// Guards that a value is a compact int.
    fn compact(&mut self, v: Value) {
        self.f.guard_class(v, &raw mut ffi::PyLong_Type);
        let info = *self.f.info(v);
        if info.constant.is_null() && !info.compact {
            self.f.at();
            self.f.builder.guard_compact(v);
            self.f.info(v).compact = true;
        }
    }

    /// Guards that a value is an int of at most two digits.
    pub(super) fn wide(&mut self, v: Value) {
        self.f.guard_class(v, &raw mut ffi::PyLong_Type);
        let info = *self.f.info(v);
        if info.constant.is_null() && !info.compact {
            self.f.at();
            self.f.builder.guard_wide(v);
        }
    }

    /// The operand, really a compact int or a float, as a double.
    pub(super) unsafe fn double(&mut self, n: usize) -> Option<Value> {
        let v = self.f.peek(n)?;
        if facts::is_int(self.real(n)) {
            // A larger int than fits into a double without rounding is compared and divided exactly by CPython.
            self.compact(v);
            let int = self.int_of(v, true)?;
            return Some(self.f.builder.i64_to_f64(int));
        }
        let info = *self.f.info(v);
        if let Some(unboxed) = info.unboxed {
            return Some(unboxed);
        }
        let unboxed = if info.constant.is_null() {
            self.f.guard_class(v, &raw mut ffi::PyFloat_Type);
            self.f.builder.unbox_f64(v)
        } else {
            self.f.builder.const_f64(Float::from(float_value(info.constant)))
        };
        self.f.info(v).unboxed = Some(unboxed);
        Some(unboxed)
    }

    /// The operand, really an int that [`Lowering::int`] can load or a float, as a double: rounded, as CPython rounds an int that meets a
    /// float in arithmetic.
    unsafe fn rounded(&mut self, n: usize) -> Option<Value> {
        if facts::is_float(self.real(n)) || facts::is_compact_int(self.real(n)) {
            return self.double(n);
        }
        let int = self.int(n)?;
        Some(self.f.builder.i64_to_f64(int))
    }

    /// Two operands as doubles: (left, right), if they really are floats, or a float and a compact int.
    pub(super) unsafe fn doubles(&mut self) -> Option<(Value, Value)> {
        let is_number = |real| unsafe {
            // SAFETY: a stack item that an operator takes is an object.
            facts::is_float(real) || facts::is_compact_int(real)
        };
        let (left, right) = (self.real(2), self.real(1));
        if !is_number(left) || !is_number(right) {
            return None;
        }
        Some((self.double(2)?, self.double(1)?))
    }

    /// A new int of this value.
    pub(super) fn box_int(&mut self, number: Value) -> Value {
        let v = self.f.builder.box_i64(number);
        self.f.owned(v);
        let info = self.f.info(v);
        info.class = &raw mut ffi::PyLong_Type;
        info.unboxed = Some(number);
        v
    }

    /// A new float of this value.
    pub(super) fn box_float(&mut self, number: Value) -> Value {
        let v = self.f.builder.box_f64(number);
        self.f.owned(v);
        let info = self.f.info(v);
        info.class = &raw mut ffi::PyFloat_Type;
        info.unboxed = Some(number);
        v
    }

    /// Replaces `n` operands by a result.
    pub(super) unsafe fn replace(&mut self, n: usize, result: Value) -> Option<Outcome> {
        let operands: Vec<_> = (0..n).map(|_| self.f.pop()).collect();
        self.f.push_value(result);
        for operand in operands.into_iter().rev() {
            self.f.release(operand);
        }
        self.done()
    }
}

pub(super) unsafe fn binary_op(l: &mut Lowering) -> Option<Outcome> {
    let operator = l.oparg() % nb::COUNT;
    let (left, right) = (l.real(2), l.real(1));
    let native = if facts::is_int(left) && facts::is_int(right) {
        ints(l, operator)
    } else if facts::is_str(left) && facts::is_str(right) {
        concatenate(l, operator)
    } else {
        floats(l, operator)
    };
    let native = native.or_else(|| super::containers::operator(l));
    let entered = native.or_else(|| super::shims::operator(l));
    if entered.is_some() { entered } else { super::c_code::operator(l) }
}

unsafe fn ints(l: &mut Lowering, operator: usize) -> Option<Outcome> {
    if operator == nb::TRUE_DIVIDE {
        return floats(l, operator);
    }
    let (x, y) = (l.real_int(2)?, l.real_int(1)?);
    // Whether it would exit right away.
    let fits = match operator {
        nb::ADD => x.checked_add(y).is_some(),
        nb::SUBTRACT => x.checked_sub(y).is_some(),
        nb::MULTIPLY => x.checked_mul(y).is_some(),
        nb::AND | nb::OR | nb::XOR => true,
        nb::LSHIFT => (0..64).contains(&y) && x << y >> y == x,
        nb::RSHIFT => y >= 0,
        nb::FLOOR_DIVIDE | nb::REMAINDER => y != 0 && x.checked_div(y).is_some(),
        _ => false,
    };
    if !fits {
        return None;
    }
    let (a, b) = (l.int(2)?, l.int(1)?);
    l.f.at();
    let builder = &mut l.f.builder;
    let number = match operator {
        nb::ADD => builder.add_i64_ovf(a, b),
        nb::SUBTRACT => builder.sub_i64_ovf(a, b),
        nb::MULTIPLY => builder.mul_i64_ovf(a, b),
        nb::AND => builder.and_i64(a, b),
        nb::OR => builder.or_i64(a, b),
        nb::XOR => builder.xor_i64(a, b),
        nb::LSHIFT => builder.shl_i64_ovf(a, b),
        nb::RSHIFT => builder.shr_i64_ovf(a, b),
        nb::FLOOR_DIVIDE => builder.floor_div_i64(a, b),
        nb::REMAINDER => builder.mod_i64(a, b),
        _ => return None,
    };
    let result = l.box_int(number);
    l.replace(2, result)
}

unsafe fn floats(l: &mut Lowering, operator: usize) -> Option<Outcome> {
    let divides = matches!(operator, nb::TRUE_DIVIDE | nb::REMAINDER);
    if !divides && !matches!(operator, nb::ADD | nb::SUBTRACT | nb::MULTIPLY | nb::POWER) {
        return None;
    }
    let (a, b) = {
        let (left, right) = (l.real(2), l.real(1));
        // The quotient of two ints that are not exact as doubles is more exact than that of the doubles.
        let both_ints = facts::is_int(left) && facts::is_int(right);
        let number = |l: &mut Lowering, n: usize| {
            let real = l.real(n);
            if facts::is_float(real) {
                Some(float_value(real))
            } else if both_ints && !facts::is_compact_int(real) {
                None
            } else {
                l.real_int(n).map(|n| n as f64)
            }
        };
        let (x, y): (f64, f64) = (number(l, 2)?, number(l, 1)?);
        // What raises, or is complex.
        if divides && y == 0.0 || operator == nb::POWER && (x <= 0.0 || x.is_nan() || !x.powf(y).is_finite()) {
            return None;
        }
        (l.rounded(2)?, l.rounded(1)?)
    };
    let constant = |l: &mut Lowering, x: f64| l.f.builder.const_f64(Float::from(x));
    let result = match operator {
        nb::ADD => l.f.builder.add_f64(a, b),
        nb::SUBTRACT => l.f.builder.sub_f64(a, b),
        nb::MULTIPLY => l.f.builder.mul_f64(a, b),
        nb::POWER => {
            let (zero, infinity) = (constant(l, 0.0), constant(l, f64::INFINITY));
            l.f.at();
            l.f.builder.guard_cmp_f64(Cond::Gt, a, zero);
            let power = l.f.builder.call_helper(Helper::FloatPow, &[a, b])?;
            // CPython raises OverflowError.
            l.f.builder.guard_cmp_f64(Cond::Lt, power, infinity);
            power
        }
        _ => {
            let zero = constant(l, 0.0);
            l.f.at();
            l.f.builder.guard_cmp_f64(Cond::Ne, b, zero);
            if operator == nb::TRUE_DIVIDE { l.f.builder.div_f64(a, b) } else { l.f.builder.mod_f64(a, b) }
        }
    };
    let result = l.box_float(result);
    l.replace(2, result)
}

unsafe fn concatenate(l: &mut Lowering, operator: usize) -> Option<Outcome> {
    // Tier 1 lets a string that is stored back grow in place.
    if operator != nb::ADD || l.op() == op::BINARY_OP_INPLACE_ADD_UNICODE {
        return None;
    }
    let (left, right) = (l.f.peek(2)?, l.f.peek(1)?);
    for v in [left, right] {
        l.f.guard_class(v, &raw mut ffi::PyUnicode_Type);
    }
    l.f.snapshot(Resume::Raise);
    let result = l.f.builder.call_helper(Helper::StrConcat, &[left, right])?;
    l.f.builder.check_error(result);
    l.f.owned(result);
    l.f.of_class(result, &raw mut ffi::PyUnicode_Type);
    l.replace(2, result)
}

pub(super) unsafe fn unary_negative(l: &mut Lowering) -> Option<Outcome> {
    let result = if facts::is_float(l.real(1)) {
        let a = l.double(1)?;
        let number = l.f.builder.neg_f64(a);
        l.box_float(number)
    } else if !facts::is_int(l.real(1)) {
        return super::shims::unary(l);
    } else {
        l.real_int(1)?.checked_neg()?;
        let a = l.int(1)?;
        l.f.at();
        let number = l.f.builder.neg_i64_ovf(a);
        l.box_int(number)
    };
    l.replace(1, result)
}

pub(super) unsafe fn unary_invert(l: &mut Lowering) -> Option<Outcome> {
    if !facts::is_int(l.real(1)) {
        return super::shims::unary(l);
    }
    l.real_int(1)?;
    let a = l.int(1)?;
    let number = l.f.builder.not_i64(a);
    let result = l.box_int(number);
    l.replace(1, result)
}
