//! Arithmetic: ops on constants, and rules for integers. See `rules.rs` for the rules.

use super::{Fate, Fold};
use crate::knowledge::Unknown;
use crate::rules::Rule;
use Fate::{Becomes, Is, Stays};
use hotspur_ir::{Op, Unboxed, Value};

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

    /// An op that computes is executed on constants, if it does not exit.
    fn on_constants(&self, op: &Op) -> Fate {
        match op.compute(&self.known) {
            Some(Ok(Some(Unboxed::I64(n)))) => int(n),
            Some(Ok(Some(Unboxed::F64(x)))) => float(x),
            Some(Ok(Some(Unboxed::Bool(b)))) => truth(b),
            Some(Ok(None) | Err(Unknown)) | None => Stays,
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
