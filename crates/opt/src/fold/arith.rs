//! Arithmetic: operations on constants, and rules for integers. See `rules.rs` for the rules.

use super::{Fate, Fold};
use crate::rules::Rule;
use Fate::{Becomes, Is, Stays};
use hotspur_ir::{Op, Value, arithmetic as arith};

fn int(number: i64) -> Fate {
    Becomes(Op::ConstI64 { number })
}

fn truth(truth: bool) -> Fate {
    Becomes(Op::ConstBool { truth })
}

/// A double, unless it is not a number: which one the hardware makes is its own business.
fn float(x: f64) -> Fate {
    if x.is_nan() { Stays } else { Becomes(Op::ConstF64 { number: x.into() }) }
}

impl Fold<'_> {
    pub(super) fn arithmetic(&mut self, op: &Op) -> Fate {
        let constant = self.on_constants(op);
        if matches!(constant, Stays) { self.by_rule(op) } else { constant }
    }

    /// An operation on constants is executed, if it does not exit.
    fn on_constants(&self, op: &Op) -> Fate {
        let i1 = |a: Value, f: fn(i64) -> Option<i64>| self.known.i64(a).and_then(f).map_or(Stays, int);
        let i2 = |a: Value, b: Value, f: fn(i64, i64) -> Option<i64>| {
            self.known.i64(a).zip(self.known.i64(b)).and_then(|(a, b)| f(a, b)).map_or(Stays, int)
        };
        let f1 = |a: Value, f: fn(f64) -> f64| self.known.f64(a).map_or(Stays, |a| float(f(a)));
        let f2 = |a: Value, b: Value, f: fn(f64, f64) -> f64| {
            self.known.f64(a).zip(self.known.f64(b)).map_or(Stays, |(a, b)| float(f(a, b)))
        };
        if let Op::AddI64 { a, b } = *op {
            i2(a, b, |a, b| Some(a.wrapping_add(b)))
        } else if let Op::SubI64 { a, b } = *op {
            i2(a, b, |a, b| Some(a.wrapping_sub(b)))
        } else if let Op::MulI64 { a, b } = *op {
            i2(a, b, |a, b| Some(a.wrapping_mul(b)))
        } else if let Op::NegI64 { a } = *op {
            i1(a, |a| Some(a.wrapping_neg()))
        } else if let Op::NotI64 { a } = *op {
            i1(a, |a| Some(!a))
        } else if let Op::AndI64 { a, b } = *op {
            i2(a, b, |a, b| Some(a & b))
        } else if let Op::OrI64 { a, b } = *op {
            i2(a, b, |a, b| Some(a | b))
        } else if let Op::XorI64 { a, b } = *op {
            i2(a, b, |a, b| Some(a ^ b))
        } else if let Op::AddI64Ovf { a, b } = *op {
            i2(a, b, i64::checked_add)
        } else if let Op::SubI64Ovf { a, b } = *op {
            i2(a, b, i64::checked_sub)
        } else if let Op::MulI64Ovf { a, b } = *op {
            i2(a, b, i64::checked_mul)
        } else if let Op::NegI64Ovf { a } = *op {
            i1(a, i64::checked_neg)
        } else if let Op::ShlI64Ovf { a, b } = *op {
            i2(a, b, arith::shift_left)
        } else if let Op::ShrI64Ovf { a, b } = *op {
            i2(a, b, arith::shift_right)
        } else if let Op::FloorDivI64 { a, b } = *op {
            i2(a, b, arith::floor_div)
        } else if let Op::ModI64 { a, b } = *op {
            i2(a, b, arith::modulo)
        } else if let Op::RangeLen { start, stop, step } = *op {
            let ends = self.known.i64(start).zip(self.known.i64(stop)).zip(self.known.i64(step));
            ends.and_then(|((start, stop), step)| arith::range_len(start, stop, step)).map_or(Stays, int)
        } else if let Op::I64ToF64 { a } = *op {
            self.known.i64(a).map_or(Stays, |a| float(a as f64))
        } else if let Op::BitLengthI64 { a } = *op {
            i1(a, |a| Some(arith::bit_length(a)))
        } else if let Op::BoolToI64 { a } = *op {
            self.known.truth(a).map_or(Stays, |a| int(a.into()))
        } else if let Op::F64ToI64Ovf { a } = *op {
            self.known.f64(a).and_then(arith::truncate).map_or(Stays, int)
        } else if let Op::CmpI64 { cond, a, b } = *op {
            self.known.i64(a).zip(self.known.i64(b)).map_or(Stays, |(a, b)| truth(cond.holds(a, b)))
        } else if let Op::CmpF64 { cond, a, b } = *op {
            self.known.f64(a).zip(self.known.f64(b)).map_or(Stays, |(a, b)| truth(cond.holds(a, b)))
        } else if let Op::AddF64 { a, b } = *op {
            f2(a, b, |a, b| a + b)
        } else if let Op::SubF64 { a, b } = *op {
            f2(a, b, |a, b| a - b)
        } else if let Op::MulF64 { a, b } = *op {
            f2(a, b, |a, b| a * b)
        } else if let Op::DivF64 { a, b } = *op {
            f2(a, b, |a, b| a / b)
        } else if let Op::ModF64 { a, b } = *op {
            f2(a, b, arith::float_modulo)
        } else if let Op::NegF64 { a } = *op {
            f1(a, |a| -a)
        } else if let Op::AbsF64 { a } = *op {
            f1(a, f64::abs)
        } else if let Op::SqrtF64 { a } = *op {
            f1(a, f64::sqrt)
        } else {
            Stays
        }
    }

    /// Rules of the table.
    fn by_rule(&mut self, op: &Op) -> Fate {
        let is = |v: Value, n: i64| self.known.i64(v) == Some(n);
        let (rule, fate) = if let Op::AddI64 { a, b } | Op::AddI64Ovf { a, b } = *op {
            if is(b, 0) {
                (Rule::AddZero, Is(a))
            } else if is(a, 0) {
                (Rule::ZeroAdd, Is(b))
            } else {
                return Stays;
            }
        } else if let Op::SubI64 { a, b } | Op::SubI64Ovf { a, b } = *op {
            if is(b, 0) {
                (Rule::SubZero, Is(a))
            } else if a == b {
                (Rule::SubSelf, int(0))
            } else {
                return Stays;
            }
        } else if let Op::MulI64 { a, b } | Op::MulI64Ovf { a, b } = *op {
            if is(b, 1) {
                (Rule::MulOne, Is(a))
            } else if is(a, 1) {
                (Rule::OneMul, Is(b))
            } else if is(a, 0) || is(b, 0) {
                (Rule::MulZero, int(0))
            } else {
                return Stays;
            }
        } else if let Op::AndI64 { a, b } = *op {
            if a == b {
                (Rule::AndSelf, Is(a))
            } else if is(a, 0) || is(b, 0) {
                (Rule::AndZero, int(0))
            } else if is(b, -1) {
                (Rule::AndOnes, Is(a))
            } else {
                return Stays;
            }
        } else if let Op::OrI64 { a, b } = *op {
            if a == b || is(b, 0) {
                (Rule::OrSelfOrZero, Is(a))
            } else if is(a, 0) {
                (Rule::ZeroOr, Is(b))
            } else {
                return Stays;
            }
        } else if let Op::XorI64 { a, b } = *op {
            if a == b {
                (Rule::XorSelf, int(0))
            } else if is(b, 0) {
                (Rule::XorZero, Is(a))
            } else {
                return Stays;
            }
        } else if let Op::ShlI64Ovf { a, b } | Op::ShrI64Ovf { a, b } = *op {
            if is(b, 0) { (Rule::ShiftZero, Is(a)) } else { return Stays }
        } else if let Op::FloorDivI64 { a, b } = *op {
            if is(b, 1) { (Rule::DivOne, Is(a)) } else { return Stays }
        } else if let Op::ModI64 { b, .. } = *op {
            if is(b, 1) { (Rule::ModOne, int(0)) } else { return Stays }
        } else if let Op::CmpI64 { cond, a, b } = *op {
            if a == b { (Rule::CmpSelf, truth(cond.holds(0, 0))) } else { return Stays }
        } else {
            return Stays;
        };
        rule.applied();
        fate
    }
}
