"""Programs whose loops are made for what optimizers and code generators get wrong print what they print under the stock interpreter."""

import os
import subprocess
import sys
import unittest

from support import run_program

# Behind each program: it must have run in executors.
RAN = """
try:
    import hotspur
except ImportError:
    pass
else:
    assert hotspur.stats()["runs"] > 0, hotspur.stats()
"""


class LikeStock(unittest.TestCase):
    def check(self, text):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOTSPUR")}
        environment["HOTSPUR"] = "0"
        stock = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True, timeout=300)
        self.assertEqual((stock.returncode, stock.stderr), (0, ""))
        self.assertNotEqual(stock.stdout, "")
        # Early, so that every shape of trace is made; and as late as it is by default.
        early = {"back_edge_threshold": 20, "entry_threshold": 20, "exit_threshold": 3, "backoff": 1}
        for parameters in (early, {}):
            self.assertEqual(run_program(self, text + RAN, background=0, **parameters), stock.stdout)


class Shapes(LikeStock):
    """Operands that become something else in the middle of an instruction."""

    def test_the_class_changes_in_special_methods(self):
        self.check("""
class Other:
    x = "other"
    def __add__(self, o): return "other+"
    def __getitem__(self, k): return "other[]"
    def __len__(self): return 5
    def __eq__(self, o): return False
    def __iter__(self): return iter("ab")
    def __contains__(self, o): return False
    def __call__(self): return "other()"
    def __bool__(self): return False
    def method(self): return "other.method"

class Evil:
    x = "evil"
    def __init__(self): self.armed = False
    def turn(self):
        if self.armed: self.__class__ = Other
    def __add__(self, o): self.turn(); return self.x
    def __getitem__(self, k): self.turn(); return self.x
    def __len__(self): self.turn(); return 3
    def __eq__(self, o): self.turn(); return True
    def __iter__(self): self.turn(); return iter((1, 2))
    def __contains__(self, o): self.turn(); return True
    def __call__(self): self.turn(); return self.x
    def __bool__(self): self.turn(); return True
    def method(self): self.turn(); return self.x
    @property
    def prop(self): self.turn(); return self.x

def loop(n, use):
    out = []
    thing = Evil()
    for i in range(n):
        thing.armed = i == n - 3
        out.append((use(thing), thing.x))
        out.append(use(thing))
    return out[:2] + out[-8:]

def add(t): return t + 1, t.x
def item(t): return t[0], t.x
def length(t): return len(t), t.x
def equal(t): return t == 1, t.x
def items(t): return [i for i in t], t.x
def contains(t): return 1 in t, t.x
def call(t): return t(), t.x
def truth(t): return ("yes" if t else "no"), t.x
def method(t): return t.method(), t.x
Other.prop = "no property"
def prop(t): return t.prop, t.x
for use in (add, item, length, equal, items, contains, call, truth, method, prop):
    for _ in range(3):
        print(use.__name__, loop(1500, use))
""")

    def test_attributes_change_their_kind(self):
        self.check("""
class Data:
    def __get__(self, o, t): return "data"
    def __set__(self, o, v): o.__dict__["x"] = v

class A:
    def __init__(self): self.x = 0
class Slots:
    __slots__ = ("x",)
    def __init__(self): self.x = 0

def loop(n, make, change):
    out = []
    thing = make()
    for i in range(n):
        if i == n - 2: change(thing)
        thing.x = i
        out.append(thing.x)
    return out[-4:], type(thing).__name__

def descriptor(t): type(t).x = Data()
def property_(t): type(t).x = property(lambda s: "property", lambda s, v: None)
def other_dict(t): t.__dict__ = {"x": -1}
def seen_dict(t): vars(t)["y"] = 1
def many(t):
    for i in range(40): setattr(t, f"a{i}", i)
def getattribute(t): type(t).__getattribute__ = lambda s, n: "getattribute"
def setattr_(t): type(t).__setattr__ = lambda s, n, v: object.__setattr__(s, n, -v)
def deleted(t): del t.x
def new(base): return lambda: type("B", (base,), {} if base is A else {"__slots__": ()})()
for change in (descriptor, property_, other_dict, seen_dict, many, getattribute, setattr_, deleted):
    print(change.__name__, loop(1500, new(A), change))
for change in (property_, getattribute, setattr_, deleted):
    print(change.__name__, loop(1500, new(Slots), change))
""")


class Integers(LikeStock):
    def test_limits(self):
        self.check("""
LIMITS = [b + d for p in (30, 31, 32, 59, 60, 61, 62, 63, 64) for b in (1 << p, -(1 << p)) for d in (-2, -1, 0, 1, 2)]
def up(start, step, n):
    x = start
    out = 0
    for i in range(n):
        x += step
        out ^= x
    return x, out
def times(start, factor, n):
    x = start
    seen = []
    for i in range(n):
        x *= factor
        if i % 7 == 0: seen.append(x)
        if abs(x) > 1 << 200: x = start
    return seen[-3:]
def mixed(x, n):
    out = []
    for i in range(n):
        y = x - i
        out.append((y + y, y - -y, -y, ~y, abs(y), y * 3, y >> 1, y << 1, y & 0xffff, y | 1, y ^ -1, y // 7, y % 7, y // -7, y % -7))
    return out[0], out[n // 2], out[-1]
for start in LIMITS:
    for step in (1, -1, 3, 1 << 29, -(1 << 30), 1 << 61):
        print(start, step, up(start - 30 * step, step, 60))
    print(mixed(start + 25, 50))
for start in (1, -1, 3, 7, -5): print(times(start, 3, 400), times(start, -7, 400))
""")

    def test_bounds_checks(self):
        self.check("""
def shrinking(n):
    items = list(range(n)); total = 0
    try:
        for i in range(n):
            total += items[i]
            if i == n // 2: del items[n // 2 + 5:]
    except IndexError as e: return total, str(e), i
def negative(n):
    items = list(range(10)); out = []
    try:
        for i in range(n): out.append(items[5 - i % 17])
    except IndexError as e: return len(out), str(e)
    return out[-3:]
def swapped(n):
    a, b, c = 1, 2, 3
    for i in range(n): a, b, c = b, c, a + (i & 1)
    return a, b, c
def invariant(n, k):
    items = [1] * 10; total = 0
    try:
        for i in range(n):
            total += items[k]
            if i == n - 2: items.clear()
    except IndexError: return "raised", total
    return total
def until(n):
    i = n; out = 0
    while i > -n:
        i -= 3
        if i % 2: out += i // 2
        else: out -= i % 5
    return i, out
def condition(n):
    x = 0; flips = 0
    for i in range(n):
        if x < 100: x += 7
        else: x -= 95; flips += 1
    return x, flips
for _ in range(3):
    print(shrinking(2000), negative(11), negative(2000), swapped(2001), invariant(2000, 3), invariant(2000, -1), until(3000), condition(3000))
""")

    def test_booleans_are_integers_and_are_not(self):
        self.check("""
def f(values, n):
    out = []
    for i in range(n):
        v = values[i % len(values)]
        out.append((v + 1, v * 2, v & 1, v | 0, v == 1, v is True, -v, v < 2, str(v)))
    return out[-len(values):]
for values in ([1, 2], [True, False], [1, True], [0, False, 1, True], [2**40, True]):
    for _ in range(3): print(f(values, 1200))
""")


class Floats(LikeStock):
    def test_odd_values(self):
        self.check("""
inf = float("inf"); nan = float("nan")
VALUES = [0.0, -0.0, 1.5, -2.5, inf, -inf, nan, 5e-324, 1.7976931348623157e308, 2.0**53, 0.1, 3, -7, True]
def f(values, n):
    out = []
    for i in range(n):
        a = values[i % len(values)]; b = values[(i * 5 + 1) % len(values)]
        row = [a + b, a - b, a * b, -a, abs(a), a < b, a <= b, a == b, a != b, a > b, a >= b]
        for op in (lambda: a / b, lambda: a % b, lambda: a // b, lambda: a ** 2, lambda: int(a), lambda: round(a)):
            try: row.append(op())
            except (ZeroDivisionError, OverflowError, ValueError) as e: row.append(type(e).__name__ + str(e))
        out.append(row)
    return out[-len(values):]
for values in (VALUES[:4], VALUES[4:8], VALUES[8:], VALUES, [nan, nan], [0.0, -0.0], [1.5, 2.5]):
    for _ in range(2): print(f(values, 1400))
def sums(n):
    x = 0.1; y = -0.0; z = 0.0
    for i in range(n):
        x = x * 1.0000001 + 0.1; y = y * 1.0; z = z - 0.0
        if x > 1e3: x = x % 0.3
    return x, y, z
print(sums(5000), sums(5000))
""")


class BackEnd(LikeStock):
    def test_many_values_at_once(self):
        names = [f"v{i}" for i in range(60)]
        text = "def f(n):\n"
        for i, name in enumerate(names):
            text += f"    {name} = {i if i % 3 else float(i)}\n"
        text += "    for i in range(n):\n"
        for i, name in enumerate(names):
            text += f"        {name} = ({names[(i * 7 + 3) % 60]} + i) * {1 if i % 2 else 0.5} if i % {i + 2} else {name} - 1\n"
        text += "        if i % 50 == 0:\n            v0 = 0\n            v1 = 1.0\n"
        text += f"    return {', '.join(names)}\n"
        text += "for _ in range(3): print(f(600))\n"
        self.check(text)

    def test_constants_of_all_sizes(self):
        text = "def f(n):\n    a = b = 0\n    c = 0.0\n    for i in range(n):\n"
        for k in (1, 127, 128, 255, 256, 32767, 65536, 2**31 - 1, 2**31, 2**32, 2**33 + 1, 2**59, 2**60 - 1, 2**62 - 1):
            text += f"        a = (a ^ (i + {k})) & {2**61 - 1}\n        b += i if i > {k} else 1\n        c += {float(k)} if c < {k * 10.5} else -{k / 3}\n"
        text += "    return a, b, c\nfor _ in range(3): print(f(1500))\n"
        self.check(text)

    def test_deep_expressions(self):
        expression, floats = "i", "x"
        for k in range(40):
            expression = f"({expression} + {k} - j)" if k % 2 else f"(k * 2 - {expression})"
            floats = f"({floats} * 0.5 + y)" if k % 2 else f"(y - {floats})"
        self.check(f"""
def f(n):
    j = 3; k = 5; x = 1.5; y = 0.25; out = 0
    for i in range(n):
        out ^= {expression}
        x = {floats}
    return out, x
for _ in range(3): print(f(1500))
""")


class Enumerations(LikeStock):
    """An `enumerate` keeps a tuple that it yields again and again; what is in that, and for how long, can be seen."""

    def test_what_is_yielded(self):
        self.check("""
def pairs(xs, start=0):
    total = []
    for i, x in enumerate(xs, start):
        total.append((i, x))
    return total

def sums(xs, start=0):
    n = s = 0
    for i, x in enumerate(xs, start):
        n += i * 3
        s += x
    return n, s

def same(n):
    x = object()
    xs = [x] * n
    return sum(i for i, y in enumerate(xs) if y is x)

import sys
for _ in range(6):
    for xs in [], [5], list(range(1000)), tuple(range(1000)), [2**70 + i for i in range(300)], [i / 2 for i in range(1000)]:
        print(pairs(xs) == list(zip(range(len(xs)), xs)), sums(xs), sums(xs, -3), sums(xs, 2**62), sums(xs, sys.maxsize - 5), sums(xs, 2**80))
    print(same(900))
""")

    def test_the_list_changes(self):
        self.check("""
def f(n):
    xs = list(range(n))
    out = 0
    for i, x in enumerate(xs):
        if i % 3 == 0 and len(xs) < n + 50: xs.append(x)
        if i % 5 == 0: xs[i] = None
        if i % 7 == 0: xs[-1] = i
        out += x
    return out, len(xs)

def shrinking(n):
    xs = list(range(n))
    out = 0
    for i, x in enumerate(xs):
        xs.pop()
        out += i * x
    return out, len(xs)

def again(n):
    e = enumerate(list(range(n)))
    out = []
    while True:
        for i, x in e:
            out.append(i - x)
            if x % 10 == 9: break
        else:
            break
        out.append(next(e, None))
    out.append(next(e, None))
    return sum(1 for o in out if o == 0), len(out), out[-3:]

for _ in range(6):
    print(f(1000), shrinking(1000), again(1000))
""")

    def test_how_long_items_live(self):
        self.check("""
import sys, weakref
class Thing:
    def __init__(self, i): self.i = i
    def __del__(self): died.append(self.i)
died = []

def counts(n):
    x = object()
    xs = [x] * n
    out = set()
    for i, y in enumerate(xs):
        out.add(sys.getrefcount(x) - n)
    return sorted(out)

def deaths(n):
    xs = [Thing(i) for i in range(n)]
    seen = []
    for i, x in enumerate(xs):
        xs[i] = x = None
        seen.append(len(died))
    del xs
    return seen[:3], seen[-3:], len(set(seen)), died[:5], len(died)

def last_one(n):
    xs = [Thing(i) for i in range(n)]
    e = enumerate(xs)
    for i, x in e:
        if i == n - 5: break
    ref = weakref.ref(x)
    xs.clear()
    del x
    alive = ref() is not None
    before = len(died)
    del e
    return alive, before, len(died), ref() is None

def kept(n):
    xs = [Thing(i) for i in range(n)]
    e = enumerate(xs)
    first = next(e)
    for i, x in e:
        pass
    return first[0], first[1].i, i, x.i, sys.getrefcount(x), sys.getrefcount(xs[0])

for _ in range(6):
    print(counts(1000))
    for f in deaths, last_one, kept:
        died.clear()
        print(f(1000))
""")

    def test_the_tuple_is_kept_between(self):
        self.check("""
import gc
def f(n):
    xs = list(range(n))
    e = enumerate(xs)
    kept = []
    out = 0
    for i, x in e:
        out += i + x
        if i % 100 == 50:
            kept.append(next(e))
        if i % 100 == 70:
            kept.clear()
        if i % 250 == 0:
            gc.collect()
    return out, kept

def cycles(n):
    class Thing: pass
    things = [Thing() for i in range(n)]
    e = enumerate(things)
    for i, x in e:
        x.e = e
        if i % 250 == 0:
            gc.collect()
    import weakref
    refs = [weakref.ref(t) for t in things]
    del things, x, e
    gc.collect()
    return sum(r() is not None for r in refs)

for _ in range(6):
    print(f(1000), cycles(1000))
""")


class Replaced(LikeStock):
    """Numbers in objects that are replaced by others: whoever has the old one keeps it."""

    def test_numbers_that_somebody_has(self):
        self.check("""
class Inline:
    def __init__(self): self.x = 0.5; self.n = 1000

class Slots:
    __slots__ = "x", "n"
    def __init__(self): self.x = 0.5; self.n = 1000

def attributes(o, n):
    kept = []
    for i in range(n):
        o.x += 1.5
        o.n += 100000
        if i % 10 == 0:
            kept.append(o.x); kept.append(o.n)
        if i % 97 == 0:
            x, m = o.x, o.n
            o.x -= 0.25; o.n -= 7
            kept.append((x, m, o.x, o.n, x is o.x, m is o.n))
    return kept[-20:], sum(map(hash, kept))

def items(n):
    xs = [0.5, 0.25, 1000, 2000]
    kept = []
    for i in range(n):
        xs[0] += xs[1]; xs[1] -= xs[0] * 0.5
        xs[2] += xs[3]; xs[3] ^= xs[2] & 0xfffff
        xs[2] %= 1000003
        if i % 7 == 0: kept.append(tuple(xs))
        if i % 11 == 0: xs[1] = xs[0]
        if i % 13 == 0: xs[3] = xs[2]
    return xs, kept[::50], len(set(map(id, kept[-1])))

def swapped(n):
    a, b = [1.5, 2.5], [3.5, 4.5]
    for i in range(n):
        x = a[0]
        a[0] = x + b[0] * 1e-3
        b[0], y = x, b[0]
        a[1], b[1] = b[1] - y * 1e-3, a[1]
    return a, b

def many_digits(n):
    xs = [0, 1, 2]
    for i in range(n):
        k = i % 3
        xs[k] = (xs[k] << 3) ^ i if i % 40 else i - 20
        xs[k - 1] = xs[k - 1] >> 2 if xs[k - 1] > 1 << 50 else xs[k - 1] - i
    return xs

def constants(n):
    class C: x = 2.5; n = 70000
    o = C()
    o.x = 2.5; o.n = 70000
    for i in range(n):
        o.x *= 1.5
        o.n += 3
        if i % 5 == 0: o.x = 2.5; o.n = 70000
    return o.x, o.n, 2.5, 70000, C.x, C.n

for _ in range(6):
    for cls in Inline, Slots: print(attributes(cls(), 1500))
    print(items(1500), swapped(1500), many_digits(1500), constants(1500))
""")
