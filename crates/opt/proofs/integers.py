"""Proofs of the optimizer's rules for integers (crates/opt/src/rules.rs), by the SMT solver z3.

    pip install z3-solver
    python crates/opt/proofs/integers.py

Each function below has the name of a rule. It yields claims over 64-bit vectors; z3 looks for operands that violate one, and the
rule is proved if there are none. Products of two variables are beyond bit-blasting at 64 bits in reasonable time; such claims are proved
over the mathematical integers, where the words' limits are bounds. Division of words is proved over the integers as well.
"""

import sys

from z3 import (And, BitVec, BitVecVal, BVAddNoOverflow, BVAddNoUnderflow, BVMulNoOverflow, BVMulNoUnderflow,
                BVSubNoOverflow, BVSubNoUnderflow, If, Implies, Int, Not, Or, Solver, sat, unsat)

x, y, lo, hi, lo2, hi2 = (BitVec(n, 64) for n in ("x", "y", "lo", "hi", "lo2", "hi2"))
zero, one, ones = (BitVecVal(n, 64) for n in (0, 1, -1))
X, Y, LO, HI, LO2, HI2, Q, R = (Int(n) for n in ("X", "Y", "LO", "HI", "LO2", "HI2", "Q", "R"))
MIN, MAX = -(1 << 63), (1 << 63) - 1

RULES = {}


def rule(function):
    RULES[function.__name__] = function
    return function


def add_fits(a, b):
    return And(BVAddNoOverflow(a, b, True), BVAddNoUnderflow(a, b))


def sub_fits(a, b):
    return And(BVSubNoOverflow(a, b), BVSubNoUnderflow(a, b, True))


def mul_fits(a, b):
    return And(BVMulNoOverflow(a, b, True), BVMulNoUnderflow(a, b))


def word(n):
    return And(n >= MIN, n <= MAX)


@rule
def add_zero():
    yield And(x + zero == x, add_fits(x, zero))


@rule
def zero_add():
    yield And(zero + x == x, add_fits(zero, x))


@rule
def sub_zero():
    yield And(x - zero == x, sub_fits(x, zero))


@rule
def sub_self():
    yield And(x - x == zero, sub_fits(x, x))


@rule
def mul_one():
    yield x * one == x
    yield mul_fits(x, one)


@rule
def one_mul():
    yield one * x == x
    yield mul_fits(one, x)


@rule
def mul_zero():
    yield And(x * zero == zero, zero * x == zero)
    yield And(mul_fits(x, zero), mul_fits(zero, x))


@rule
def and_self():
    yield x & x == x


@rule
def and_zero():
    yield And(x & zero == zero, zero & x == zero)


@rule
def and_ones():
    yield x & ones == x


@rule
def or_self_or_zero():
    yield And(x | x == x, x | zero == x)


@rule
def zero_or():
    yield zero | x == x


@rule
def xor_self():
    yield x ^ x == zero


@rule
def xor_zero():
    yield x ^ zero == x


@rule
def shift_zero():
    # `<<` exits if bits are lost: if shifting back does not give the operand.
    yield And(x << zero == x, (x << zero) >> zero == x, x >> zero == x)


def floored(a, b, q, r):
    """q = a // b and r = a % b, as Python has them."""
    return And(b != 0, a == q * b + r, If(b > 0, And(0 <= r, r < b), And(b < r, r <= 0)))


@rule
def div_one():
    yield Implies(And(word(X), floored(X, 1, Q, R)), Q == X)


@rule
def mod_one():
    yield Implies(And(word(X), floored(X, 1, Q, R)), R == 0)


COMPARISONS = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "ge": lambda a, b: a >= b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
}
OPPOSITES = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "le": "gt", "gt": "le"}
MIRRORED = {"eq": "eq", "ne": "ne", "lt": "gt", "ge": "le", "le": "ge", "gt": "lt"}


@rule
def cmp_self():
    for holds in COMPARISONS.values():
        yield holds(x, x) == holds(zero, zero)


@rule
def not_cmp():
    for name, holds in COMPARISONS.items():
        yield COMPARISONS[OPPOSITES[name]](x, y) == Not(holds(x, y))
        yield COMPARISONS[MIRRORED[name]](y, x) == holds(x, y)


def within(a, low, high):
    return And(low <= a, a <= high)


BOTH = And(within(x, lo, hi), within(y, lo2, hi2))


@rule
def cmp_range():
    always = {
        "eq": And(lo == hi, lo == lo2, hi == hi2),
        "ne": Or(hi < lo2, hi2 < lo),
        "lt": hi < lo2,
        "ge": lo >= hi2,
        "le": hi <= lo2,
        "gt": lo > hi2,
    }
    for name, holds in COMPARISONS.items():
        yield Implies(And(BOTH, always[name]), holds(x, y))
    # What a comparison that held leaves of the range of x; the bounds saturate.
    yield Implies(And(BOTH, x < y), And(hi2 != MIN, x <= hi2 - 1))
    yield Implies(And(BOTH, x > y), And(lo2 != MAX, x >= lo2 + 1))
    yield Implies(And(BOTH, x <= y), x <= hi2)
    yield Implies(And(BOTH, x >= y), x >= lo2)
    yield Implies(And(BOTH, x == y), within(x, lo2, hi2))


@rule
def add_range():
    yield Implies(And(BOTH, add_fits(lo, lo2), add_fits(hi, hi2)),
                  And(add_fits(x, y), within(x + y, lo + lo2, hi + hi2)))


@rule
def sub_range():
    yield Implies(And(BOTH, sub_fits(lo, hi2), sub_fits(hi, lo2)),
                  And(sub_fits(x, y), within(x - y, lo - hi2, hi - lo2)))


@rule
def mul_range():
    # A bilinear function on a rectangle has its extremes at the corners. First along x with y fixed, then along y with x at an end.
    both = And(within(X, LO, HI), within(Y, LO2, HI2))

    def between(product, a, b):
        return Or(And(a <= product, product <= b), And(b <= product, product <= a))

    yield Implies(both, between(X * Y, LO * Y, HI * Y))
    yield Implies(both, between(LO * Y, LO * LO2, LO * HI2))
    yield Implies(both, between(HI * Y, HI * LO2, HI * HI2))


@rule
def neg_range():
    yield Implies(And(within(x, lo, hi), lo != MIN), And(sub_fits(zero, x), within(-x, -hi, -lo)))


@rule
def index_range():
    yield Implies(And(within(x, lo, hi), lo >= zero, x < y), And(zero <= x, x < y))


@rule
def and_range():
    yield Implies(y >= zero, within(x & y, zero, y))
    yield Implies(x >= zero, within(x & y, zero, x))


@rule
def mod_range():
    yield Implies(And(word(X), within(Y, LO2, HI2), LO2 > 0, floored(X, Y, Q, R)), And(0 <= R, R <= HI2 - 1))


@rule
def shr_range():
    amount = If(y > 63, BitVecVal(63, 64), y)
    low, high = If(lo < zero, lo, zero), If(hi > ones, hi, ones)
    yield Implies(And(within(x, lo, hi), y >= zero), within(x >> amount, low, high))


@rule
def div_range():
    low, high = If(LO < 0, LO, 0), If(HI > -1, HI, -1)
    # Along the way: the quotient lies between the dividend and 0 or -1.
    yield Implies(And(Y > 0, X >= 0, floored(X, Y, Q, R)), And(Q >= 0, Q <= X))
    yield Implies(And(Y > 0, X < 0, floored(X, Y, Q, R)), And(Q <= -1, Q >= X))
    yield Implies(And(within(X, LO, HI), Or(And(X >= 0, Q >= 0, Q <= X), And(X < 0, Q <= -1, Q >= X))),
                  And(low <= Q, Q <= high))


def main():
    failed = []
    for name, claims in RULES.items():
        for number, claim in enumerate(claims()):
            solver = Solver()
            solver.set("timeout", 120_000)
            solver.add(Not(claim))
            answer = solver.check()
            if answer != unsat:
                failed.append(name)
                print(f"{name}, claim {number}: {answer}", solver.model() if answer == sat else "")
        print(f"{name}: {'FAILED' if name in failed else 'proved'}", flush=True)
    print(f"{len(RULES) - len(set(failed))} of {len(RULES)} rules proved")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
