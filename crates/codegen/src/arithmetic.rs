//! Integers that may overflow, division, rounding.

use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self as clif, InstBuilder, types};
use hotspur_ir::Value;

impl Translator<'_> {
    fn known(&self, v: Value) -> Option<i64> {
        self.constant(v).map(|bits| bits as i64)
    }

    /// The sum. With a constant, the sum being on the wrong side of the other operand says that it overflowed, which is
    /// one comparison that the jump can use; Cranelift brings the overflow flag into a register first.
    pub(crate) fn add_ovf(&mut self, a: Value, b: Value) -> clif::Value {
        let (a, b) = if self.known(a).is_some() { (b, a) } else { (a, b) };
        let (x, y) = (self.v(a), self.v(b));
        if let Some(n) = self.known(b) {
            let sum = self.b.ins().iadd(x, y);
            let wrong = if n < 0 { IntCC::SignedGreaterThan } else { IntCC::SignedLessThan };
            let overflow = self.b.ins().icmp(wrong, sum, x);
            self.guard_not(overflow);
            return sum;
        }
        let (sum, overflow) = self.b.ins().sadd_overflow(x, y);
        self.guard_not(overflow);
        sum
    }

    pub(crate) fn sub_ovf(&mut self, a: Value, b: Value) -> clif::Value {
        let (x, y) = (self.v(a), self.v(b));
        if let Some(n) = self.known(b) {
            let difference = self.b.ins().isub(x, y);
            let wrong = if n < 0 { IntCC::SignedLessThan } else { IntCC::SignedGreaterThan };
            let overflow = self.b.ins().icmp(wrong, difference, x);
            self.guard_not(overflow);
            return difference;
        }
        let (difference, overflow) = self.b.ins().ssub_overflow(x, y);
        self.guard_not(overflow);
        difference
    }

    pub(crate) fn mul_ovf(&mut self, a: Value, b: Value) -> clif::Value {
        let (a, b) = (self.v(a), self.v(b));
        let (product, overflow) = self.b.ins().smul_overflow(a, b);
        self.guard_not(overflow);
        product
    }

    pub(crate) fn neg_ovf(&mut self, a: Value) -> clif::Value {
        let a = self.v(a);
        let overflow = self.b.ins().icmp_imm(IntCC::Equal, a, i64::MIN);
        self.guard_not(overflow);
        self.b.ins().ineg(a)
    }

    /// The absolute value as an unsigned number, which that of the least integer is, too.
    pub(crate) fn bit_length(&mut self, a: Value) -> clif::Value {
        let a = self.v(a);
        let absolute = self.b.ins().iabs(a);
        let zeros = self.b.ins().clz(absolute);
        self.b.ins().irsub_imm(zeros, 64)
    }

    pub(crate) fn shl_ovf(&mut self, a: Value, b: Value) -> clif::Value {
        let (x, y) = (self.v(a), self.v(b));
        if !self.known(b).is_some_and(|n| (0..64).contains(&n)) {
            let in_range = self.b.ins().icmp_imm(IntCC::UnsignedLessThan, y, 64);
            self.guard(in_range);
        }
        let shifted = self.b.ins().ishl(x, y);
        let back = self.b.ins().sshr(shifted, y);
        let same = self.b.ins().icmp(IntCC::Equal, back, x);
        self.guard(same);
        shifted
    }

    pub(crate) fn shr_ovf(&mut self, a: Value, b: Value) -> clif::Value {
        let (x, y) = (self.v(a), self.v(b));
        if let Some(n) = self.known(b)
            && n >= 0
        {
            return self.b.ins().sshr_imm(x, n.min(63));
        }
        let negative = self.b.ins().icmp_imm(IntCC::SignedLessThan, y, 0);
        self.guard_not(negative);
        let most = self.word(63);
        let large = self.b.ins().icmp(IntCC::UnsignedGreaterThan, y, most);
        let by = self.b.ins().select(large, most, y);
        self.b.ins().sshr(x, by)
    }

    /// Exits if the divisor is zero.
    fn guard_divisor(&mut self, b: Value) {
        if self.known(b).is_none_or(|n| n == 0) {
            let divisor = self.v(b);
            self.guard(divisor);
        }
    }

    /// Whether a remainder is not zero and has another sign than the divisor: quotients round down, not towards zero.
    fn is_rounded_wrong(&mut self, rest: clif::Value, divisor: clif::Value) -> clif::Value {
        let signs = self.b.ins().bxor(rest, divisor);
        let differ = self.b.ins().icmp_imm(IntCC::SignedLessThan, signs, 0);
        let uneven = self.b.ins().icmp_imm(IntCC::NotEqual, rest, 0);
        self.b.ins().band(differ, uneven)
    }

    pub(crate) fn floor_div(&mut self, a: Value, b: Value) -> clif::Value {
        let (x, y) = (self.v(a), self.v(b));
        if let Some(n) = self.known(b)
            && n > 0
            && n.count_ones() == 1
        {
            return self.b.ins().sshr_imm(x, i64::from(n.trailing_zeros()));
        }
        self.guard_divisor(b);
        if self.known(b).is_none_or(|n| n == -1) {
            let least = self.b.ins().icmp_imm(IntCC::Equal, x, i64::MIN);
            let minus_one = self.b.ins().icmp_imm(IntCC::Equal, y, -1);
            let overflow = self.b.ins().band(least, minus_one);
            self.guard_not(overflow);
        }
        let quotient = self.b.ins().sdiv(x, y);
        let whole = self.b.ins().imul(quotient, y);
        let rest = self.b.ins().isub(x, whole);
        let wrong = self.is_rounded_wrong(rest, y);
        let correction = self.b.ins().uextend(types::I64, wrong);
        self.b.ins().isub(quotient, correction)
    }

    pub(crate) fn modulo(&mut self, a: Value, b: Value) -> clif::Value {
        let (x, y) = (self.v(a), self.v(b));
        if let Some(n) = self.known(b)
            && n > 0
            && n.count_ones() == 1
        {
            return self.b.ins().band_imm(x, n - 1);
        }
        self.guard_divisor(b);
        let rest = self.b.ins().srem(x, y);
        let wrong = self.is_rounded_wrong(rest, y);
        let corrected = self.b.ins().iadd(rest, y);
        self.b.ins().select(wrong, corrected, rest)
    }

    /// How many numbers there are in a range: the distance divided by the size of the step, rounded up.
    pub(crate) fn range_len(&mut self, start: Value, stop: Value, step: Value) -> clif::Value {
        const LIMIT: i64 = 1 << 60;
        for v in [start, stop, step] {
            if self.known(v).is_some_and(|n| (-LIMIT..LIMIT).contains(&n)) {
                continue;
            }
            let v = self.v(v);
            let shifted = self.b.ins().iadd_imm(v, LIMIT);
            let small = self.b.ins().icmp_imm(IntCC::UnsignedLessThan, shifted, 2 * LIMIT);
            self.guard(small);
        }
        self.guard_divisor(step);
        let (first, last) = (self.v(start), self.v(stop));
        let (distance, size) = if let Some(n) = self.known(step) {
            let size = self.word(n.unsigned_abs());
            (if n > 0 { self.b.ins().isub(last, first) } else { self.b.ins().isub(first, last) }, size)
        } else {
            let step = self.v(step);
            let (up, down) = (self.b.ins().isub(last, first), self.b.ins().isub(first, last));
            let is_up = self.b.ins().icmp_imm(IntCC::SignedGreaterThan, step, 0);
            (self.b.ins().select(is_up, up, down), self.b.ins().iabs(step))
        };
        let zero = self.word(0);
        let distance = self.b.ins().smax(distance, zero);
        if self.known(step).is_some_and(|n| n.unsigned_abs() == 1) {
            return distance;
        }
        let size_less_one = self.b.ins().iadd_imm(size, -1);
        let rounded_up = self.b.ins().iadd(distance, size_less_one);
        // Neither is negative.
        self.b.ins().udiv(rounded_up, size)
    }

    /// From 2^52 on there are no fractions; below, adding 2^52 rounds to an integer. (Before SSE 4.1, `trunc` would be a call of a
    /// library.)
    pub(crate) fn is_integer(&mut self, a: Value) -> clif::Value {
        const LIMIT: f64 = 4_503_599_627_370_496.0;
        let a = self.v(a);
        let (limit, infinity) = (self.b.ins().f64const(LIMIT), self.b.ins().f64const(f64::INFINITY));
        let absolute = self.b.ins().fabs(a);
        let sum = self.b.ins().fadd(absolute, limit);
        let rounded = self.b.ins().fsub(sum, limit);
        let is_rounded = self.b.ins().fcmp(FloatCC::Equal, rounded, absolute);
        let is_large = self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, absolute, limit);
        let whole = self.b.ins().bor(is_rounded, is_large);
        let finite = self.b.ins().fcmp(FloatCC::LessThan, absolute, infinity);
        self.b.ins().band(whole, finite)
    }

    pub(crate) fn truncate(&mut self, a: Value) -> clif::Value {
        const LIMIT: f64 = 9_223_372_036_854_775_808.0;
        let a = self.v(a);
        let (least, limit) = (self.b.ins().f64const(-LIMIT), self.b.ins().f64const(LIMIT));
        let above = self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, a, least);
        self.guard(above);
        let below = self.b.ins().fcmp(FloatCC::LessThan, a, limit);
        self.guard(below);
        self.b.ins().fcvt_to_sint_sat(types::I64, a)
    }
}
