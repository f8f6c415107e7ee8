"""Truth values that traces keep unboxed: whatever is done to them, a trace of it is well-formed, and its result is stock's."""

import math
import operator
import os
import unittest
from array import array

from support import Tier2Case, counted, on_stock

N = 150
ROUNDS = 4 if "HOTSPUR_BACK_EDGE_THRESHOLD" in os.environ else 12

# `b` and `c` are results of comparisons.
EXPRESSIONS = """
type(b)
b.real
b.numerator
b.__class__
b.conjugate()
isinstance(b, bool)
isinstance(b, int)
isinstance(b, str)
hash(b)
str(b)
repr(b)
f"{b}"
f"{b:d}"
b + 1
b * 2
2 * b
b * b
b - c
b & c
b | True
b ^ c
-b
+b
not b
abs(b)
bool(b)
int(b)
float(b)
b == 1
b == c
b is c
b is True
b is not False
b in (True, False)
b in [0, 1]
b in {True: 1}
b in {1}
[1, 2][b]
(1, 2)[b]
"ab"[b]
{True: 1, False: 2}[b]
{b: 1}
{b}
[b]
(b, c)
[b] * 2
"x" * b
len([b])
min(b, c)
max(b, c)
sum([b, c])
b < c
b < 2
b << 3
8 >> b
b ** 2
2 ** b
5 // (b + 1)
5 % (b + 1)
b / 2
chr(97 + b)
divmod(b, 1)
round(b)
range(b)
list(range(b))
[i for i in range(b)]
sorted([b, c])
any([b, c])
all((b, c))
callable(b)
getattr(b, "real")
hasattr(b, "imag")
b.to_bytes(1, "big")
Holder(b).x
Holder(b).method()
function(b)
function(x=b)
(lambda q: q)(b)
several(b, *[c])
"%s %d" % (b, b)
"{} {}".format(b, c)
b and c
b or c
b if c else 1
slice(b, c).start
[1, 2, 3][b:]
[1, 2, 3][b:c]
bytes([b])
bytearray(b)
next(iter((b,)))
generated(b)
type(b)(0)
type(b).__name__
dict(a=b)
set((b, c))
b.__add__(1)
super(bool, b).__repr__()
math.sqrt(b)
math.floor(b)
operator.index(b)
operator.not_(b)
array("i", [b])
"""

TEXT = """
def stored(n):
    out = []
    for i in range(n):
        b = i % 3 < 1
        c = i % 2 == 0
        try:
            out.append({0})
        except Exception as error:
            out.append(repr(error))
    return out

def counting(n):
    out = 0
    for i in range(n):
        b = i % 3 < 1
        c = i % 2 == 0
        try:
            x = {0}
        except Exception:
            out += 1
        else:
            out += x is not None
    return out
"""


class Holder:
    def __init__(self, x):
        self.x = x

    def method(self):
        return self.x


def function(x):
    return x


def several(*arguments):
    return arguments


def generated(b):
    def generate():
        yield b
        yield not b

    return sum(generate())


class UnboxedTruths(Tier2Case):
    def test_everything_that_can_be_done_to_them(self):
        runs = 0
        for expression in EXPRESSIONS.split("\n")[1:-1]:
            scope = dict(globals())
            exec(TEXT.format(expression), scope)
            for name in "stored", "counting":
                with self.subTest(expression=expression, function=name):
                    f = scope[name]

                    def hot():
                        for _ in range(ROUNDS):
                            result = f(N)
                        return result

                    result, counts = counted(hot)
                    self.assertEqual(repr(result), repr(on_stock(f, N)))
                    self.assertEqual(counts["traces.aborted.verifier_failed"], 0)
                    runs += counts["runs"]
        self.assertGreater(runs, len(EXPRESSIONS.splitlines()))


if __name__ == "__main__":
    unittest.main()
