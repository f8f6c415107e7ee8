//! Ranges of integers: overflow checks, comparisons and index checks that cannot fail.
//!
//! # Where ranges come from
//!
//! Constants. `unbox_i64`, which may be executed on compact ints only, so |n| < 2^30. Lengths. Arithmetic on ranges (the rules
//! `*_range` of `rules.rs`). Guards: behind `guard_cmp_i64 lt, i, n`, `i` is less than the greatest `n`. And besides
//! ranges, comparisons between two values that have been guarded are remembered, for indices.
//!
//! # Loops
//!
//! A value keeps its number, so ranges of the prefix hold in the loop. A parameter of the loop has any value, with one exception, which is what
//! counting loops need: if it goes round as itself plus a constant that is not negative, with a check for overflow, it never falls
//! below what it was at first; likewise downwards. The check for overflow is part of the argument: without, the sum could wrap.
//!
//! # What is done
//!
//! `add_i64_ovf` becomes `add_i64` if the sums of the ranges' ends fit, and so on; guards that always hold go. A guard that can
//! never hold is left alone: the trace is a bad one, but right.

use crate::edit::loop_params;
use crate::fold::mirrored;
use crate::rules::Rule;
use cranelift_entity::SecondaryMap;
use hotspur_ir::{Cond, Inst, Op, Superblock, Type, Value};
use rustc_hash::FxHashSet as HashSet;

/// All integers from the first to the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range(i64, i64);

impl Range {
    const ALL: Range = Range(i64::MIN, i64::MAX);
    /// One digit.
    const COMPACT: Range = Range(1 - (1 << 30), (1 << 30) - 1);
    /// No object has more items.
    const LENGTH: Range = Range(0, 1 << 60);

    fn add(self, other: Range) -> Exact {
        Exact(i128::from(self.0) + i128::from(other.0), i128::from(self.1) + i128::from(other.1))
    }

    fn sub(self, other: Range) -> Exact {
        Exact(i128::from(self.0) - i128::from(other.1), i128::from(self.1) - i128::from(other.0))
    }

    fn mul(self, other: Range) -> Exact {
        let ends = |a: i64| [other.0, other.1].map(|b| i128::from(a) * i128::from(b));
        let ([a, b], [c, d]) = (ends(self.0), ends(self.1));
        Exact(a.min(b).min(c).min(d), a.max(b).max(c).max(d))
    }

    /// Both ranges hold. (If no number is in both, the point is never reached, and any answer is right.)
    fn and(self, other: Range) -> Range {
        let both = Range(self.0.max(other.0), self.1.min(other.1));
        if both.0 <= both.1 { both } else { self }
    }

    /// Whether the comparison holds for all numbers in the ranges.
    fn always(self, cond: Cond, other: Range) -> bool {
        match cond {
            Cond::Eq => self.0 == self.1 && self == other,
            Cond::Ne => self.1 < other.0 || other.1 < self.0,
            Cond::Lt => self.1 < other.0,
            Cond::Ge => self.0 >= other.1,
            Cond::Le => self.1 <= other.0,
            Cond::Gt => self.0 > other.1,
        }
    }

    /// What is left of it if the comparison with some number in the other range holds.
    fn given(self, cond: Cond, other: Range) -> Range {
        match cond {
            Cond::Eq => self.and(other),
            Cond::Ne => self,
            Cond::Lt => self.and(Range(i64::MIN, other.1.saturating_sub(1))),
            Cond::Le => self.and(Range(i64::MIN, other.1)),
            Cond::Gt => self.and(Range(other.0.saturating_add(1), i64::MAX)),
            Cond::Ge => self.and(Range(other.0, i64::MAX)),
        }
    }
}

/// The range of a result before it is known to fit.
struct Exact(i128, i128);

impl Exact {
    /// The range, if all of it fits into 64 bits.
    fn fits(self) -> Option<Range> {
        Some(Range(i64::try_from(self.0).ok()?, i64::try_from(self.1).ok()?))
    }

    /// What is left of it behind a check for overflow.
    fn checked(self) -> Option<Range> {
        let clamp = |n: i128| n.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        Some(Range(clamp(self.0), clamp(self.1)))
    }
}

#[derive(Default)]
struct Ranges {
    known: SecondaryMap<Value, Option<Range>>,
    /// Comparisons that hold.
    holds: HashSet<(Cond, Value, Value)>,
}

/// Removes checks.
pub(crate) fn ranges(mut sb: Superblock) -> Superblock {
    let mut ranges = Ranges::default();
    ranges.section(&mut sb.prefix);
    let params = loop_params(&sb);
    if let Some(mut body) = sb.body.take() {
        for &(p, e, j) in params.iter().filter(|p| sb.values[p.0] == Type::I64) {
            let range = ranges.param(p, e, j, &body.insts, &sb.prefix);
            ranges.known[p] = Some(range);
        }
        ranges.section(&mut body.insts);
        sb.body = Some(body);
    }
    sb
}

impl Ranges {
    fn get(&self, v: Value) -> Range {
        self.known[v].unwrap_or(Range::ALL)
    }

    /// The range of a parameter that counts.
    fn param(&self, p: Value, enter: Value, jump: Value, body: &[Inst], prefix: &[Inst]) -> Range {
        let first = self.get(enter);
        if jump == p {
            return first;
        }
        let constant = |v: Value| {
            let defined = prefix.iter().chain(body).find(|i| i.result == Some(v));
            if let Some(Inst { op: Op::ConstI64 { number }, .. }) = defined { Some(*number) } else { None }
        };
        let step = match body.iter().find(|i| i.result == Some(jump)).map(|i| &i.op) {
            Some(&Op::AddI64Ovf { a, b }) if a == p => constant(b),
            Some(&Op::AddI64Ovf { a, b }) if b == p => constant(a),
            Some(&Op::SubI64Ovf { a, b }) if a == p => constant(b).and_then(i64::checked_neg),
            Some(_) | None => None,
        };
        match step {
            Some(0..) => Range(first.0, i64::MAX),
            Some(_) => Range(i64::MIN, first.1),
            None => Range::ALL,
        }
    }

    fn section(&mut self, insts: &mut Vec<Inst>) {
        insts.retain_mut(|inst| {
            self.weaken(inst);
            if self.always_passes(&inst.op) {
                return false;
            }
            if let Some(v) = inst.result {
                self.known[v] = self.result(&inst.op);
            }
            self.learn(&inst.op);
            true
        });
    }

    /// Drops a check for overflow.
    fn weaken(&self, inst: &mut Inst) {
        let (rule, fits, op) = if let Op::AddI64Ovf { a, b } = inst.op {
            (Rule::AddRange, self.get(a).add(self.get(b)), Op::AddI64 { a, b })
        } else if let Op::SubI64Ovf { a, b } = inst.op {
            (Rule::SubRange, self.get(a).sub(self.get(b)), Op::SubI64 { a, b })
        } else if let Op::MulI64Ovf { a, b } = inst.op {
            (Rule::MulRange, self.get(a).mul(self.get(b)), Op::MulI64 { a, b })
        } else if let Op::NegI64Ovf { a } = inst.op {
            (Rule::NegRange, Range(0, 0).sub(self.get(a)), Op::NegI64 { a })
        } else {
            return;
        };
        if fits.fits().is_some() {
            rule.applied();
            (inst.op, inst.snapshot) = (op, None);
        }
    }

    fn is_known(&self, cond: Cond, a: Value, b: Value) -> bool {
        self.holds.contains(&(cond, a, b)) || self.get(a).always(cond, self.get(b))
    }

    fn always_passes(&self, op: &Op) -> bool {
        if let Op::GuardCmpI64 { cond, a, b } = *op {
            Rule::CmpRange.applied();
            self.is_known(cond, a, b)
        } else if let Op::GuardIndex { index, length } = *op {
            Rule::IndexRange.applied();
            self.get(index).0 >= 0 && self.is_known(Cond::Lt, index, length)
        } else {
            false
        }
    }

    /// The range of a result.
    fn result(&self, op: &Op) -> Option<Range> {
        if let Op::ConstI64 { number } = *op {
            Some(Range(number, number))
        } else if let Op::UnboxI64 { .. } = op {
            Some(Range::COMPACT)
        } else if let Op::ListLen { .. } | Op::TupleLen { .. } | Op::ArrayLen { .. } = op {
            Some(Range::LENGTH)
        } else if let Op::LoadElementI64 { kind, .. } = op {
            let (least, greatest) = kind.range();
            Some(Range(least, greatest))
        } else if let Op::RangeLen { .. } = op {
            Some(Range(0, 1 << 61))
        } else if let Op::BoolToI64 { .. } = op {
            Some(Range(0, 1))
        } else if let Op::BitLengthI64 { .. } = op {
            Some(Range(0, 64))
        } else if let Op::AddI64 { a, b } = *op {
            self.get(a).add(self.get(b)).fits()
        } else if let Op::SubI64 { a, b } = *op {
            self.get(a).sub(self.get(b)).fits()
        } else if let Op::MulI64 { a, b } = *op {
            self.get(a).mul(self.get(b)).fits()
        } else if let Op::NegI64 { a } = *op {
            Range(0, 0).sub(self.get(a)).fits()
        } else if let Op::AddI64Ovf { a, b } = *op {
            self.get(a).add(self.get(b)).checked()
        } else if let Op::SubI64Ovf { a, b } = *op {
            self.get(a).sub(self.get(b)).checked()
        } else if let Op::MulI64Ovf { a, b } = *op {
            self.get(a).mul(self.get(b)).checked()
        } else if let Op::NegI64Ovf { a } = *op {
            Range(0, 0).sub(self.get(a)).checked()
        } else if let Op::AndI64 { a, b } = *op {
            let of = |r: Range| (r.0 >= 0).then_some(Range(0, r.1));
            Rule::AndRange.applied();
            match (of(self.get(a)), of(self.get(b))) {
                (Some(a), Some(b)) => Some(a.and(b)),
                (one, other) => one.or(other),
            }
        } else if let Op::ModI64 { b, .. } = *op {
            Rule::ModRange.applied();
            let by = self.get(b);
            (by.0 > 0).then_some(Range(0, by.1 - 1))
        } else if let Op::ShrI64Ovf { a, .. } = *op {
            Rule::ShrRange.applied();
            let Range(low, high) = self.get(a);
            Some(Range(low.min(0), high.max(-1)))
        } else if let Op::FloorDivI64 { a, b } = *op {
            Rule::DivRange.applied();
            let Range(low, high) = self.get(a);
            (self.get(b).0 > 0).then_some(Range(low.min(0), high.max(-1)))
        } else {
            None
        }
    }

    fn learn(&mut self, op: &Op) {
        if let Op::GuardCmpI64 { cond, a, b } = *op {
            self.learn_cmp(cond, a, b);
        } else if let Op::GuardIndex { index, length } = *op {
            self.learn_cmp(Cond::Lt, index, length);
            self.known[index] = Some(self.get(index).and(Range(0, i64::MAX)));
        }
    }

    fn learn_cmp(&mut self, cond: Cond, a: Value, b: Value) {
        self.holds.extend([(cond, a, b), (mirrored(cond), b, a)]);
        let (left, right) = (self.get(a), self.get(b));
        self.known[a] = Some(left.given(cond, right));
        self.known[b] = Some(right.given(mirrored(cond), left));
    }
}
