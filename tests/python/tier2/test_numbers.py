"""Functions and methods of C on numbers, all that there are: whatever they become in tier 2, their results are those of stock to the last bit, as are
their errors. Run under `hotspur` with tier 2 on."""

import math
import struct

import hotspur
from support import Tier2Case, describe, on_stock

# A call, its operands, and the op that it is then.
OPS = [
    ("abs(x)", 1.5, "abs_f64"),
    ("math.fabs(x)", 1.5, "abs_f64"),
    ("math.fabs(x)", 3, "abs_f64"),
    ("math.copysign(x, y)", (2.0, -0.0), "copysign_f64"),
    ("math.copysign(x, y)", (1, -1), "copysign_f64"),
    ("math.sin(x)", 1.5, "sin_f64"),
    ("math.sin(x)", 3, "sin_f64"),
    ("math.cos(x)", 1.5, "cos_f64"),
    ("math.exp(x)", 1.5, "exp_f64"),
    ("math.log(x)", 1.5, "log_f64"),
    ("math.log(x)", 3, "log_f64"),
    ("math.atan2(x, y)", (1.5, -2.5), "atan2_f64"),
    ("math.trunc(x)", -1.5, "f64_to_i64_ovf"),
    ("math.floor(x)", -1.5, "floor_f64"),
    ("math.ceil(x)", -1.5, "ceil_f64"),
    ("x.bit_length()", 300, "bit_length_i64"),
    ("x.bit_count()", 300, "bit_count_i64"),
    ("x.bit_count()", 2**40 + 1, "bit_count_i64"),
    ("x.is_integer()", 1.5, "is_integer_f64"),
]


class Int(int):
    pass


class Float(float):
    pass


INTS = [0, 1, -1, 7, 255, 2**30 - 1, 2**30, -(2**30), 2**59 + 1, 2**60, 2**63 - 1, -(2**63), 2**64, -(10**30), True, False, Int(3)]
FLOATS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.5, 2.5, math.pi, 1e16 + 2, 2.0**52 - 0.5, 2.0**62, 2.0**63, -(2.0**63), -(2.0**64), 1e300, 5e-324]
FLOATS += [709.5, 710.0, -745.2, 1e-310, math.inf, -math.inf, math.nan, -math.nan, Float(2.5)]
FEW = [0, -3, 2**40, 2**64, True, Int(3), 0.0, -0.0, 0.5, -2.5, 5e-324, 1e300, math.inf, -math.inf, math.nan, Float(2.5)]

# What takes as long as its operands are large.
SLOW = {"factorial", "comb", "perm"}

# Code that has raised is recorded with more caution, and so is whatever comes to lie at its address.
KEPT = []


def made(call):
    """A function that does this with many operands, and says of each result whether it is the first of them."""
    operands = "x, y" if "y" in call.split("(", 1)[1] else "x"
    lines = [
        "def f(operands):",
        "    out = []",
        f"    for {operands} in operands:",
        "        try:",
        f"            result = {call}",
        "            out.append((result, result is x))",
        "        except Exception as error:",
        "            out.append((error, False))",
        "    return out",
    ]
    scope = {"math": math}
    exec("\n".join(lines), scope)
    KEPT.append(scope["f"])
    return scope["f"]


def exact(pair):
    """What can be compared."""
    result, same = pair
    if isinstance(result, Exception):
        return type(result), str(result)
    parts = result if isinstance(result, tuple) else (result,)
    return type(result), same, [struct.pack("d", part) if isinstance(part, float) else repr(part) for part in parts]


class Numbers(Tier2Case):
    def setUp(self):
        super().setUp()
        for name in "back_edge_threshold", "exit_threshold":
            before = hotspur.parameters()[name]
            hotspur.set_parameter(name, 20)
            self.addCleanup(hotspur.set_parameter, name, before)

    def like_stock(self, call, operands, each=True):
        f = made(call)
        expect = [exact(pair) for pair in on_stock(f, operands)]
        mixed = list(range(len(operands)))
        for run in [*([i] * 40 for i in mixed if each), mixed * 4, mixed * 4]:
            found = f([operands[i] for i in run])
            for i, pair in zip(run, found, strict=True):
                if exact(pair) != expect[i]:
                    self.fail(f"{call} of {operands[i]!r}: {exact(pair)} instead of {expect[i]}\n{describe(f)}")

    def test_functions_of_math(self):
        names = [name for name, value in vars(math).items() if callable(value) and name[0] != "_" and name not in SLOW]
        self.assertGreater(len(names), 40)
        for name in names:
            self.like_stock(f"math.{name}(x)", INTS + FLOATS)
            self.like_stock(f"math.{name}(x, y)", [(a, b) for a in FEW for b in FEW], each=False)

    def test_functions_and_methods(self):
        for call in "abs(x)", "int(x)", "float(x)", "round(x)", "bool(x)":
            self.like_stock(call, INTS + FLOATS)
        for kind, values in (int, INTS), (float, FLOATS):
            names = [name for name, value in vars(kind).items() if name[0] != "_" and callable(value)]
            self.assertGreater(len(names), 4)
            for name in names:
                self.like_stock(f"x.{name}()", values)

    def test_what_is_an_op(self):
        for call, operands, op in OPS:
            f = made(call)
            for _ in range(4):
                f([operands] * 100)
            with self.subTest(call):
                self.assertIn(f"= {op} ", describe(f))
