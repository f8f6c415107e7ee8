"""Random programs for compiled loops. `program(seed)` is the source of one.

Where the programs of `generate.py` run into everything, these do for a while what compilers like: loops over locals of one type, small
classes, inlined calls, tuples and instances that live for a round. Then, in a round of its own choice, something happens: another
type, an overflow, an exception from a callee, a finalizer that changes a local, a class or a global that changes, a frame
that is looked at. All locals are printed then, and at the end.
"""

import random

CLASSES = """
import collections.abc, decimal, math, sys, threading
class Shown:
    def __str__(self): return str(catches(two(1, 2), g1 is None))
class Manager:
    def __enter__(self): return 5
    def __exit__(self, *a): return True
class P:
    cattr = 1.5
    def __init__(self, x, y): self.x = x; self.y = y
    def add(self, o): return P(self.x + o.x, self.y - o.y)
    def norm(self): return self.x * self.x + self.y
    @property
    def prop(self): return self.x - self.y
    def bump(self, n): self.x += n; return self
    def __add__(self, o): return P(self.x + o, self.y)
    def __eq__(self, o): return self.x == o.x
    def __getitem__(self, i): return self.x if i else self.y
class Q(P):
    def norm(self): return super().norm() - 1
    def __len__(self): return 3
class M(type): pass
class A(P, metaclass=M):
    def __init__(self, x, *, y=0.5): self.x = x; self.y = y
class V(P):
    def __init__(self, *a, **k): self.x = len(a); self.y = k.get("y", 1.5)
class T(P):
    count = 0
    def __init__(self, x, y): super().__init__(x, y); T.count += 1
    def norm(self): return super().norm() + self.count
class U(T):
    def norm(self): return super().norm() - 1
# They get no more versions.
for i in range(1100): T.count = i; U.count
class S:
    __slots__ = ("x", "y")
    def __init__(self, x, y): self.x = x; self.y = y
    def norm(self): return self.x - self.y
    prop = 2
def one(a, b=3): return a + b
def two(a, b):
    if a < b: return one(b, a)
    return a - b
def raises(a, when):
    if when: raise Err(a)
    return a
def catches(a, when):
    try: return raises(a, when)
    except Err: return -1
def gen(n):
    for i in range(n): yield i * 2
def pair(a, b): return a, b
def rec(n): return 0 if n <= 0 else n + rec(n - 2)
g0 = 3; g1 = 1.5; g2 = "text"; g3 = [1, 2, 3]
LOCK = threading.RLock(); FORM = "%s-%s %r"; DEC = decimal.Decimal("1.5")
"""


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.lines = CLASSES.splitlines()
        self.loops = 0

    def pick(self, *items):
        return self.r.choice(items)

    def put(self, indent, line):
        self.lines.append("    " * indent + line)

    def integer(self, depth=2):
        if depth <= 0 or self.r.random() < 0.3:
            return self.pick("i", "a", "b", "n1", "1", "2", "7", "-1", "1000", "g0", "2**30", "2**31", "(2**62)", "len(l)")
        e = lambda: self.integer(depth - 1)  # noqa: E731
        return self.pick(
            f"({e()} + {e()})", f"({e()} - {e()})", f"({e()} * 3)", f"({e()} & 0xffff)", f"({e()} | 5)", f"({e()} ^ {e()})",
            f"({e()} >> 1)", f"({e()} << 2)", f"({e()} // 3)", f"({e()} % 11)", f"({e()} // -7)", f"({e()} % -5)", f"(-{e()})",
            f"abs({e()})", f"one({e()})", f"one({e()}, {e()})", f"two({e()}, {e()})", "l[0]", "l[i % len(l)]", "l[-1]",
            f"min({e()}, {e()})", f"max({e()}, 0)", f"({e()} if {self.truth(depth - 1)} else {e()})", "t[0]", "rec(i & 7)",
            "d.get('k', 0)", "sum([a, b])", "ord(s[0])", f"(~{e()})", f"({e()}).bit_length()", f"({e()}).bit_count()", "int(x)",
            "math.floor(x)", "math.ceil(y)", "catches(i, False)",
        )

    def real(self, depth=2):
        if depth <= 0 or self.r.random() < 0.3:
            return self.pick("x", "y", "0.5", "-0.0", "1e3", "g1", "P.cattr", "2.0", "1.5", "NAN", "INF")
        e = lambda: self.real(depth - 1)  # noqa: E731
        return self.pick(
            f"({e()} + {e()})", f"({e()} - {e()})", f"({e()} * 0.5)", f"(-{e()})", f"abs({e()})", f"({e()} / 3.0)", f"({e()} * {e()})",
            f"({e()} + {self.integer(0)})", f"one({e()}, {e()})", f"({e()} if {self.truth(depth - 1)} else {e()})", "f[0]",
            "f[i % len(f)]", f"float({self.integer(0)})", f"({e()} % 7.0)", "u[1]", f"max({e()}, {e()})", "o.prop * 1.0",
            f"math.sin({e()})", f"math.exp({e()})", f"math.atan2({e()}, {e()})", f"math.copysign({e()}, {self.integer(0)})",
        )

    def truth(self, depth=1):
        return self.pick(
            f"{self.integer(depth)} {self.pick('<', '<=', '==', '!=', '>', '>=')} {self.integer(depth)}",
            f"{self.real(depth)} {self.pick('<', '<=', '==', '>', '>=')} {self.real(depth)}", "i % 3", "not a", "x", "l", "s == 'abc'",
            "o is None", "type(a) is int", "isinstance(o, P)", "i in l", "'k' in d", "a is b", f"({self.real(depth)}).is_integer()",
            f"math.isfinite({self.real(depth)})", f"type({self.integer(depth)} < 3) is bool", f"({self.real(depth)} > 0.5).__class__ is bool",
        )

    def statement(self, indent, depth):
        e, x = self.integer, self.real
        v, w = self.pick("a", "b"), self.pick("x", "y")
        if depth > 0 and self.r.random() < 0.35:
            kind = self.r.random()
            if kind < 0.5:
                self.put(indent, f"if {self.truth()}:")
                self.block(indent + 1, depth - 1)
                if self.r.random() < 0.5:
                    self.put(indent, "else:")
                    self.block(indent + 1, depth - 1)
            elif kind < 0.8 and self.loops < 2:
                self.loops += 1
                j = f"j{self.loops}"
                source = self.pick("range(4)", "range(i & 3)", "l", "t", "f", "gen(3)", "zip(l, f)", "enumerate(f)", "s", "d", "reversed(l)",
                                   "range(2**30 - 2, 2**30 + 1)", "[k * 0.5 for k in range(3)]")
                self.put(indent, f"for {j} in {source}:")
                self.put(indent + 1, f"{v} = K({v} + (1 if type({j}) is not int else {j} & 3))")
                self.block(indent + 1, depth - 1)
                self.loops -= 1
            else:
                self.put(indent, "try:")
                self.block(indent + 1, depth - 1)
                self.put(indent + 1, f"{v} = raises({v}, i % {self.pick(5, 17, 40)} == 3)")
                self.put(indent, f"except {self.pick('Err', 'Exception', '(Err, KeyError)')}:")
                self.block(indent + 1, 0)
            return
        self.put(indent, self.pick(
            f"{v} = K({e()})", f"{v} = K({e()})", f"{v} += {e(1)}; {v} = K({v})", f"{w} = {x()}", f"{w} = {x()}", f"{w} = {w} * 0.75 + {x(1)}",
            f"t = ({e(1)}, {x(1)}, a)", f"u = pair({e(1)}, {x(1)})", "a, b = b, a", f"a, x = t[0], {x(1)}", "a = b; b = K(a + 1)",
            "x = y; y = x + 0.5", f"o = P({e(1)}, {x(1)})", f"o = Q({x(1)}, {x(1)})", f"o = S({e(1)}, {e(0)})", f"o = P({e(1)}, y={x(1)})", f"o = P(y={x(1)}, x={e(1)})",
            f"o = {self.pick('A', 'V', 'Q')}({e(1)}, y={x(1)})", f"o = {self.pick('T', 'U')}({e(1)}, {x(1)})", "T.count -= a & 1; x = U.count * 0.5",
            "U.count = i; x = o.prop * 1.0; del U.count", f"o = A({e(1)})", f"o = V({e(1)}, {x(1)})", f"o.x = {e(1)}", f"o.y = {x(1)}",
            "x = o.norm() * 1.0", "o = o.add(P(1, 0.5)) if type(o) is P else P(0, 0.0)", f"l.append({e(0)}); del l[:-9]", f"l[0] = K({e(1)})",
            f"l[-1] += {e(0)}; l[-1] = K(l[-1])", f"f[0] = {x(1)}", f"d['k'] = K({e(1)})", "d[i & 3] = a", "s = s[1:] + 'abc'[i % 3]",
            "l[:] = l[1:] + l[:1]", f"l[:1] = [K({e(0)})]", f"l = (l[:3] + [K({e(0)})] + l)[:9]",
            f"h = lambda: (a, x, {e(1)})", "a = K(h()[0]) if type(h) is not int else 0", "m = o.norm; x = m() * 1.0", "b = K((o + 1).x)",
            "n1 = i", f"p = (x, (a, o)); x = p[0]; o = p[1][1]; {v} = p[1][0]", "q = [a, x]; a, x = q", "w = o[1]", "b += o == o",
            "with LOCK: a = K(a + 1)", "with LOCK as w: b = K(raises(b, i % 40 == 3))", f"s = (FORM % (a, {x(1)}, s))[:7]", "s = (FORM % (Shown(), b, 1))[:7]",
            "a = K(sys._getframe().f_lineno)", "b = K(int(DEC + K(a)))", f"x = Err({e(1)}).args[0] * 0.5", "b += isinstance(o, collections.abc.Sized)",
        ))

    def block(self, indent, depth):
        for _ in range(self.r.randrange(1, 4)):
            self.statement(indent, depth)

    def event(self):
        name = self.pick("a", "b", "x", "y", "t", "l", "o", "f", "u")
        value = self.pick("1.5", "2**70", "'str'", "None", "True", "(1, 2.5, 3)", "70000", "[1.5]", "Evil()", "P(1, 2)")
        return self.pick(
            f"frame_write('{name}', {value})", f"frame_write('{name}', {value})", "P(frame_look())", "e = Fin(2)", "e = Fin(3)", "e = Fin(4)",
            "e = None", f"{name} = {value}", f"{name} = {value}", f"del {name}", "P.norm = lambda s: s.x + 1000", "P.cattr = 70000",
            "P.add = lambda s, o: Q(1, 2)", "P.__init__ = lambda s, x, y: setattr(s, 'x', y) or setattr(s, 'y', x)", "o.__class__ = Q",
            "M.__call__ = lambda c, *a, **k: P(1, 2)", "A.__init__ = lambda s, x, y=1: setattr(s, 'x', y)", "V.__new__ = lambda c, *a, **k: P(5, 0.5)",
            "P.__init__ = lambda s, x, y: setattr(s, 'x', y) or s", "o.z = 1", "o.__dict__ = {'x': 5, 'y': 0.5}", "vars(o)['x'] = 9", "globals()['g0'] = 2.5", "globals()['g1'] = 10**20",
            "globals()['one'] = lambda a, b=5: a - b", "one.__code__ = two.__code__", "one.__defaults__ = (9,)", "builtins.abs = lambda v: v",
            "del builtins.abs; builtins.abs = real_len", "l.clear(); l.append(5)", "d.clear()", "l[:] = [1.5, 'a']", "f[:] = [1, 2, 3]",
            "sys.settrace(tracer)", "sys.settrace(None)", "gc.collect()", "raise KeyError(i)", "raises(i, True)", "a = 2**62; b = 2**62 + 1",
            "a = -2**63; b = 2**63 - 1", "x = INF; y = -0.0", "x = NAN", "a = True", "s = ''", "P.prop = property(lambda s: s.x)",
            "P.__getattribute__ = lambda s, n: object.__getattribute__(s, n)", "del P.norm", "o = None", "k = here(); k['a'] = 5; k = None",
            "P.x = property(lambda s: 4, lambda s, v: None)", "P.__eq__ = lambda s, o: NotImplemented", "globals()['LOCK'] = Manager()",
            "globals()['DEC'] = Evil()", "globals()['FORM'] = 2**70", "Shown.__str__ = lambda s: frame_look() or 'x'", "Manager.__exit__ = lambda s, *a: None", "P.__del__ = lambda s: P0('del')",
        )

    def function(self, name):
        self.put(0, f"def {name}(n, l, f, d):")
        self.put(1, "a = 1; b = 2; x = 0.5; y = 1.25; t = (1, 2.5, 3); u = (1, 0.5); s = 'abc'; n1 = 5; o = P(1, 2.0); w = 0; e = None")
        self.put(1, "h = lambda: (a, x, 0)")
        self.put(1, "for i in range(n):")
        self.put(2, "fuel()")
        for _ in range(self.r.randrange(1, 4)):
            at = self.pick("i == n - 2", f"i == {self.r.randrange(4, 60)}", f"i % {self.r.randrange(9, 30)} == 8")
            body = self.event()
            self.put(2, f"if {at}:")
            if self.r.random() < 0.8:
                self.put(3, f"try: {body}")
                self.put(3, "except Exception: X()")
            else:
                self.put(3, body)
            self.put(3, "SHOW(frame_look())" if self.r.random() < 0.3 else "P0(a, b, x, y, t, u)")
            for _ in range(self.r.randrange(1, 3)):
                self.statement(2, 2)
        for _ in range(self.r.randrange(1, 5)):
            self.statement(2, 2)
        if self.r.random() < 0.3:
            self.put(2, f"if i > 3 and {self.truth()}: {self.pick('continue', 'continue', 'break')}")
        self.put(1, "return a, b, x, y, t, u, l, f, s, w, getattr(o, 'x', 0), type(o).__name__, n1, d")

    def program(self):
        self.lines = ["P0 = P; SHOW = P"] + self.lines
        names = [f"hot{k}" for k in range(self.r.randrange(1, 3))]
        for name in names:
            self.function(name)
        self.put(0, f"for round in range({self.pick(2, 3, 4)}):")
        for name in names:
            n = self.pick(30, 70, 120)
            self.put(1, "try:")
            self.put(2, f"P0({name}({n}, [1, 2, 3], [0.5, 1.5], {{'k': 1}}))")
            self.put(1, "except Exception: X()")
        return "\n".join(self.lines) + "\n"


def program(seed):
    return Generator(seed).program()


if __name__ == "__main__":
    import sys

    print(program(int(sys.argv[1])), end="")
