"""Methods in Python that instructions call are part of the trace: with the right results, tracebacks, frames, and deaths."""


from support import FollowedCase
from test_like_stock import LikeStock

N = 3000


class Data:
    """A data descriptor."""

    def __get__(self, instance, owner):
        return instance.stored + (owner is Thing)

    def __set__(self, instance, value):
        instance.stored = value


class Plain:
    """A descriptor that attributes of the instance come before."""

    def __get__(self, instance, owner):
        return 3


class Bound:
    def __get__(self, instance, owner):
        return self.call

    def call(self, n):
        return n + 1


class Thing:
    data = Data()
    plain = Plain()
    bound = Bound()

    def __init__(self, stored):
        self.stored = stored

    @property
    def half(self):
        return self.stored // 2

    @half.setter
    def half(self, value):
        self.stored = 2 * value

    @property
    def method(self):
        return self.add

    def add(self, n):
        return self.stored + n

    def __len__(self):
        return self.stored

    def __neg__(self):
        return -self.stored

    def __invert__(self):
        return ~self.stored

    def __abs__(self):
        return abs(self.stored)


class Hooked:
    def __init__(self, stored):
        self.stored = stored

    def __getattr__(self, name):
        return len(name)


class Countdown:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n == 0:
            raise StopIteration
        self.n -= 1
        return self.n


class Right:
    def __radd__(self, other):
        return other + 2

    def __rsub__(self, other):
        return 5

    def __imul__(self, other):
        return Right()


class Left:
    def __sub__(self, other):
        return NotImplemented


class Followed(FollowedCase):
    def test_setters_of_properties(self):
        def f(n):
            thing = Thing(0)
            total = 0
            for i in range(n):
                thing.half = i
                total += thing.stored
            return total

        self.followed(f, N, expect=N * (N - 1))

    def test_a_property_is_given_another_function(self):
        class C:
            @property
            def x(self):
                return 1

            @x.setter
            def x(self, value):
                self.y = value

        def set_twice(self, value):
            self.y = 2 * value

        def f(n, c=C()):
            total = 0
            for i in range(n):
                c.x = i
                total += c.x + c.y
            return total

        self.followed(f, N, expect=N + N * (N - 1) // 2)
        C.__dict__["x"].__init__(lambda self: 2, set_twice)
        self.followed(f, N, expect=2 * N + N * (N - 1))

    def test_descriptors(self):
        def f(n):
            thing = Thing(0)
            total = 0
            for i in range(n):
                thing.data = i
                total += thing.data + thing.plain + thing.bound(i) + thing.method(1)
            return total

        expect = sum(i + 1 + 3 + i + 1 + i + 1 for i in range(N))
        self.followed(f, N, expect=expect)

    def test_a_descriptor_changes_its_class(self):
        class A:
            def __get__(self, instance, owner):
                return 1

            def __set__(self, instance, value):
                self.last = value

        class B(A):
            def __get__(self, instance, owner):
                return 2

        class C:
            x = A()

        def f(n, c=C()):
            total = 0
            for i in range(n):
                c.x = i
                total += c.x
            return total

        self.followed(f, N, expect=N)
        C.__dict__["x"].__class__ = B
        self.followed(f, N, expect=2 * N, runs=None)
        self.assertEqual(C.__dict__["x"].last, N - 1)

    def test_the_instance_has_what_hides_a_descriptor(self):
        def f(n, thing):
            total = 0
            for _ in range(n):
                total += thing.plain
            return total

        self.followed(f, N, Thing(1), expect=3 * N)
        hidden = Thing(1)
        hidden.__dict__["plain"] = 4
        self.assertEqual(f(N, hidden), 4 * N)
        self.followed(f, N, Thing(1), expect=3 * N, runs=None)

    def test_getattr(self):
        def f(n):
            thing = Hooked(1)
            total = 0
            for _ in range(n):
                total += thing.abc + thing.stored
            return total

        self.followed(f, N, expect=4 * N)

        def g(n, thing):
            total = 0
            for _ in range(n):
                total += thing.abcd
            return total

        thing = Hooked(1)
        self.followed(g, N, thing, expect=4 * N)
        thing.abcd = 7
        self.assertEqual(g(N, thing), 7 * N)

    def test_truth(self):
        class Truth:
            def __init__(self, n):
                self.n = n

            def __bool__(self):
                return self.n > 2

        def f(n):
            things = Truth(3), Truth(3)
            total = 0
            for i in range(n):
                if things[i & 1]:
                    total += 1
                if not things[0]:
                    total += 1000
                total += bool(not things[1] or things[0]) and 2
            return total

        self.followed(f, N, expect=3 * N)

        def g(n):
            things = Truth(1), Truth(3)
            return sum([1 if things[i & 1] else 2 for i in range(n)])

        self.followed(g, N, expect=N // 2 * 3, runs=None)

    def test_length(self):
        def f(n):
            thing, empty = Thing(5), Thing(0)
            total = 0
            for _ in range(n):
                if thing:
                    total += len(thing)
                if not empty:
                    total += 1
            return total

        self.followed(f, N, expect=6 * N)

    def test_iterators(self):
        def f(n):
            total = 0
            for i in Countdown(n):
                total += i
            return total

        self.followed(f, N, expect=N * (N - 1) // 2)

        def g(n):
            total = 0
            for i in range(n):
                for j in Countdown(i % 4):
                    total += j
            return total

        self.followed(g, N, expect=sum(sum(range(i % 4)) for i in range(N)), runs=None)

        def h(n):
            total = 0
            for i in range(n):
                total += next(iter(Countdown(i + 1)))
            return total

        self.followed(h, N, expect=N * (N - 1) // 2)

    def test_another_iterator(self):
        class Items:
            def __init__(self, items):
                self.items = items

            def __iter__(self):
                return iter(self.items)

        def f(n):
            items = Items([1, 2, 3])
            total = 0
            for _ in range(n):
                for i in items:
                    total += i
            return total

        self.followed(f, N, expect=6 * N, runs=None)

    def test_unary_operators(self):
        def f(n):
            thing = Thing(2)
            total = 0
            for _ in range(n):
                total += -thing + ~thing + abs(thing)
            return total

        self.followed(f, N, expect=-3 * N)

    def test_reflected_operators(self):
        def f(n):
            right, left = Right(), Left()
            total = 0
            for i in range(n):
                total += (i + right) + int(0.5 + right) + (left - right) + (None - right)
            return total

        self.followed(f, N, expect=sum(i + 2 + 2 + 5 + 5 for i in range(N)))

    def test_operators_in_place(self):
        class Sum:
            def __init__(self):
                self.n = 0

            def __iadd__(self, other):
                self.n += other
                return self

        def f(n):
            total, right = Sum(), Right()
            for i in range(n):
                total += i
                right *= 2
            return total.n

        self.followed(f, N, expect=N * (N - 1) // 2)


# What follows is run by both interpreters. `attempts` calls functions often, and prints what they return or how they fail.
HEAD = '''
import sys, traceback

# The program is run with something in front of it.
LINE = sys._getframe().f_lineno
DEPTH = len(list(traceback.walk_stack(sys._getframe())))

def described(error):
    steps = [(f.name, f.lineno - LINE, f.colno, f.end_colno) for f in traceback.extract_tb(error.__traceback__)]
    return repr(error), steps, repr(error.__context__)

def attempts(*functions, n=150):
    for function in functions:
        if "reset" in globals():
            reset()
        last = None
        # Until it is hot, and then all kinds of numbers.
        for i in [5] * 1500 + list(range(n)):
            try:
                now = repr(function(i))
            except BaseException as error:
                now = described(error)
            if now != last:
                print(function.__name__, i, now)
                last = now

def look(depth=2):
    frame = sys._getframe(depth - 1)
    names = []
    while frame is not None and frame.f_code.co_name != "attempts":
        names.append((frame.f_code.co_name, frame.f_lineno - LINE))
        frame = frame.f_back
    return names

class Dying:
    log = []
    def __init__(self, name):
        self.name = name
    def __repr__(self):
        return self.name
    def __del__(self):
        Dying.log.append((self.name, [name for name, line in look()[1:]]))

def deaths():
    log = Dying.log[:]
    Dying.log.clear()
    return log
'''


class MethodsLikeStock(LikeStock):
    def check(self, text):
        super().check(HEAD + text)

    def test_descriptors(self):
        self.check("""
class D(Dying):
    def __get__(self, instance, owner):
        if instance.i == 77: raise KeyError(instance.i)
        if instance.i == 99: del owner.d; self = None
        if instance.i == 120: raise AttributeError("gone")
        return look() if instance.i % 50 == 3 else (owner.__name__, type(instance).__name__)
    def __set__(self, instance, value):
        if instance.i == 88: raise KeyError(value)
        if instance.i == 101: type(instance).d = D("again")
        instance.value = value
        return Dying("result")

class C(Dying):
    d = D("d")
    def __init__(self, i): self.i = i; super().__init__("c")

def get(i):
    c = C(i)
    try: return c.d
    except AttributeError as e: return str(e)

def get_of_temporary(i):
    return C(i).d, deaths()

def get_callable(i):
    try: return C(i).d()
    except TypeError as e: return str(e), deaths()

def set(i):
    c = C(i)
    c.d = i // 10
    return c.value, deaths()

def set_of_temporary(i):
    C(i).d = Dying("value")
    return deaths()

def reset(): C.d = D("d")
attempts(get, get_of_temporary, get_callable, set, set_of_temporary)
""")

    def test_properties(self):
        self.check("""
class C(Dying):
    def __init__(self, i): self.i = i; super().__init__("c")
    @property
    def p(self):
        if self.i == 66: raise KeyError(self.i)
        return look if self.i % 50 == 3 else lambda depth=1: self.i
    @p.setter
    def p(self, value):
        if self.i == 77: raise ValueError(value)
        if self.i == 99: C.p = None
        self.value = look()
        del self
        return Dying("result")
    only = property(lambda self: 1)

def get(i): return C(i).p(1), deaths()
def set(i):
    c = C(i)
    c.p = Dying("value")
    return c.value, deaths()
def set_of_temporary(i):
    C(i).p = Dying("value")
    return deaths()
def read_only(i): C(i).only = 1
property_p = C.p
def reset(): C.p = property_p
attempts(get, set_of_temporary, set, read_only)
""")

    def test_hooks(self):
        self.check("""
class C(Dying):
    def __init__(self, i): self.i = i; super().__init__("c")
    def __getattr__(self, name):
        if self.i == 66: raise KeyError(name)
        if self.i == 88: raise AttributeError(name)
        if self.i == 99: C.there = 8
        return (lambda: look(2)) if self.i % 50 == 3 else lambda: name
    @property
    def failing(self): raise AttributeError("hidden")

def get(i): return C(i).there(), deaths()
def get_value(i): return C(i).missing.__name__, deaths()
def get_failing(i): return C(i).failing()
def reset():
    if hasattr(C, "there"): del C.there
attempts(get_value, get, get_failing)
""")

    def test_truth(self):
        self.check("""
class B(Dying):
    def __init__(self, i): self.i = i; super().__init__("b")
    def __bool__(self):
        i = self.i
        del self
        if i == 66: raise KeyError(i)
        if i == 77: return Dying("no bool")
        if i == 88: return 1
        if i == 99: B.__bool__ = lambda self: False
        if i % 50 == 3: print(look())
        return i % 20 < 10

class L(Dying):
    def __init__(self, i): self.i = i; super().__init__("l")
    def __len__(self):
        i = self.i
        if i == 66: raise KeyError(i)
        if i == 70: return -1
        if i == 71: return 2**70
        if i == 72: return -2**70
        if i == 73: return "x"
        if i == 74: return True
        if i == 75: return Index()
        if i == 76: return 2**62
        if i == 99: L.__bool__ = lambda self: False
        if i % 50 == 3: print(look())
        return i % 20 // 10

class Index:
    def __index__(self): print(look()); return 5

def truth(i): return "yes" if B(i) else "no"
def temporary(i): return not B(i), deaths()
def both(i): return B(i) and B(i + 1) and 5
def called(i): return bool(B(i)), deaths()
def length_called(i): return bool(L(i)), deaths()
def length_truth(i): return "yes" if L(i) else "no"
def length(i): return len(L(i)), deaths()
bool_of_b = B.__bool__
def reset():
    B.__bool__ = bool_of_b
    if hasattr(L, "__bool__"): del L.__bool__
attempts(truth, temporary, both, called, length_truth, length_called, length)
""")

    def test_iterators(self):
        self.check("""
class I(Dying):
    def __init__(self, i): self.i = i; self.n = 0; super().__init__("i")
    def __iter__(self):
        if self.i == 66: raise KeyError(self.i)
        if self.i == 67: return 5
        if self.i == 68: return iter("ab")
        if self.i == 69: raise StopIteration
        if self.i % 50 == 3: print(look())
        return self
    def __next__(self):
        local = Dying("local")
        self.n += 1
        if self.n > 3:
            raise Stop(self.i) if self.i % 2 else StopIteration(self.i)
        if self.i == 77: raise KeyError(self.i)
        if self.i == 78: return NotImplemented
        if self.i == 79: return self.helper()
        if self.i % 50 == 3: print(look(), sys.exception())
        return self.n
    def helper(self): return next(iter(()))

class Stop(StopIteration):
    def __del__(self): Dying.log.append(("stop", look()[1:], sys.exception()))

def loop(i):
    result = []
    for x in I(i): result.append(x)
    else: result.append("else")
    return result, deaths()
def comprehension(i): return [x for x in I(i)], deaths()
def while_handling(i):
    try: raise ValueError
    except ValueError:
        return [(x, repr(sys.exception())) for x in I(i)], repr(sys.exception())
def call_iter(i): return iter(I(i)).n
def call_next(i):
    iterator = I(i)
    return next(iterator), next(iterator), next(iterator), next(iterator)
def yield_from(i):
    def g(): return (yield from I(i))
    return list(g())
attempts(loop, comprehension, while_handling, call_iter, call_next, yield_from)
""")

    def test_generators_that_are_resumed(self):
        self.check("""
def numbers(i):
    local = Dying("local")
    got = []
    try:
        for k in range(4):
            got.append((yield (k, look()[-2:] if i % 50 == 3 else len(got))))
            if k == 2 and i == 66: raise KeyError(i)
            if k == 2 and i == 67: raise StopIteration(i)
            if k == 2 and i == 68: next(generators[-1])
            if k == 2 and i == 69: generators[-1].send(2)
            if k == 2 and i == 70: generators[-1].close()
    except ValueError as error:
        yield "caught"
    if i % 7 == 0: return
    if i % 7 == 1: return (1, 2)
    if i % 7 == 2: return ValueError("value")
    return Dying("returned")

generators = []
def make(i):
    g = numbers(i)
    generators[:] = [g]
    return g

def nexts(i):
    g = make(i)
    return next(g), next(g), next(g), next(g)
def with_default(i): return next(make(i), 5)
def until_the_end(i):
    g = make(i)
    result = []
    while True:
        try: result.append(next(g))
        except StopIteration as stop: return result, stop.args, repr(stop.value), deaths()
def sends(i):
    g = make(i)
    return g.send(None), g.send(Dying("sent")), g.send(3), g.send(4), deaths()
def sends_to_the_end(i):
    g = make(i)
    try: g.send(1)
    except TypeError as error: result = [str(error)]
    next(g)
    while True:
        try: result.append(g.send(Dying("sent")))
        except StopIteration as stop: return result, stop.args, repr(stop.value)
def of_temporary(i): return next(make(i)), next(numbers(i)), deaths()
def while_handling(i):
    g = make(i)
    try: raise KeyError(i)
    except KeyError: return next(g), next(g), next(g), next(g), repr(sys.exception())
def throws(i):
    g = make(i)
    next(g)
    return g.throw(ValueError), deaths()
def bound(i, send=None):
    g = make(i)
    send, follow = g.send, g.__next__
    follow()
    return send(1), send(2)
def exhausted(i):
    g = iter([] if i % 2 else (x for x in ()))
    return next(g)
def other(i): return next([iter([7]), numbers(i), iter("ab")][i % 3])
attempts(nexts, with_default, until_the_end, sends, sends_to_the_end, of_temporary, while_handling, throws, bound,
         exhausted, other)
generators.clear()
""")

    def test_operators(self):
        self.check("""
class R(Dying):
    def __init__(self, i): self.i = i; super().__init__("r")
    def __radd__(self, other):
        i = self.i
        del self
        if i == 66: raise KeyError(i)
        if i == 77: return NotImplemented
        return look() if i % 50 == 3 else other
    def __rmul__(self, other): return NotImplemented
    def __neg__(self):
        if self.i == 66: raise KeyError(self.i)
        if self.i == 99: R.__neg__ = None
        return look() if self.i % 50 == 3 else 1
    def __invert__(self): return NotImplemented
    def __abs__(self):
        del self
        return "abs"

class A(Dying):
    def __init__(self, i): self.i = i; super().__init__("a")
    def __add__(self, other): return NotImplemented
    def __iadd__(self, other):
        if self.i == 66: raise KeyError(self.i)
        if self.i % 3: return NotImplemented
        return look() if self.i % 50 == 3 else self.i
    __imul__ = __iadd__

class S(A):
    def __radd__(self, other): return "S"

def int_left(i): return i + R(i), deaths()
def float_left(i): return (i + 0.5) + R(i), deaths()
def none_left(i): return None + R(i)
def not_implemented(i): return i * R(i)
def both_left(i): return A(i) + R(i), deaths()
def same(i): return A(i) + A(i)
def derived(i): return A(i) + S(i)
def negative(i): return -R(i), deaths()
def inverted(i): return ~R(i)
def absolute(i): return abs(R(i)), deaths()
def in_place(i):
    a = A(i)
    a += R(i)
    return a, deaths()
def in_place_of_int(i):
    a = A(i)
    a += 1
    return a
def in_place_repeated(i):
    a = A(i)
    a *= [1]
    return a
def in_place_with_derived(i):
    a = A(i)
    a += S(i)
    return a
def in_place_int(i):
    a = i
    a += R(i)
    return a
attempts(int_left, float_left, none_left, not_implemented, both_left, same, derived, negative, inverted, absolute,
         in_place, in_place_of_int, in_place_repeated, in_place_with_derived, in_place_int)
""")

    def test_keys_of_classes_that_compare_themselves(self):
        # Looking into such a class runs code, while something is recorded, too.
        self.check("""
import warnings
warnings.simplefilter("ignore")

class Key:
    def __init__(self, name): self.name = name; self.hash = hash(name)
    def __hash__(self): return self.hash
    def __eq__(self, other):
        for _ in range(5): helper()
        return False

def helper():
    total = 0
    for i in range(30): total += i
    return total

def f(i):
    C = type("C", (), {Key("x"): 1, Key("y"): 2, "z": 3})
    c = C()
    total = 0
    for j in range(3):
        total += c.z
        try: c.x
        except AttributeError: total += 1
        try: c.y()
        except AttributeError: total += 1
        if c: total += 1
        c.w = 1
    return total
attempts(f)
""")

    def test_the_recursion_limit(self):
        self.check("""
class C:
    def __bool__(self): return True if self else False
    def __len__(self): return len(self)
    def __neg__(self): return -self
    def __radd__(self, other): return other + self
    def __getattr__(self, name): return self.missing
    def __next__(self): return next(self)
    def __iter__(self):
        for x in self: return x

class D:
    def __get__(self, instance, owner): return instance.d
    def __set__(self, instance, value): instance.d = value

class E:
    d = D()

    @property
    def p(self): return self.p()

    @p.setter
    def p(self, value): self.p = value

def depth_of(function):
    c, e = C(), E()
    try: function(c, e)
    except RecursionError as error:
        tb, n = error.__traceback__, 0
        while tb: tb, n = tb.tb_next, n + 1
        return n + DEPTH

def truth(c, e): return True if c else False
def length(c, e): return len(c)
def negative(c, e): return -c
def reflected(c, e): return 1 + c
def hook(c, e): return c.missing
def following(c, e): return next(c)
def loop(c, e):
    for x in c: pass
def get(c, e): return e.d
def set(c, e): e.d = 1
def getter(c, e): e.p()
def setter(c, e): e.p = 1
for function in truth, length, negative, reflected, hook, following, loop, get, set, getter, setter:
    print(function.__name__, {depth_of(function) for _ in range(20)})
""")

    def test_tools_are_switched_on_in_a_method(self):
        self.check("""
events = []
def tracer(frame, event, arg):
    if frame.f_globals is globals():
        events.append((frame.f_code.co_name, event, frame.f_lineno - LINE))
    return tracer

def switch(i):
    if i == 120:
        sys.settrace(tracer)
        frame = sys._getframe(1)
        while frame.f_code.co_name != "attempts":
            frame.f_trace = tracer
            frame = frame.f_back

class C:
    def __init__(self, i): self.i = i; self.n = 0
    def __bool__(self): switch(self.i); return True
    def __len__(self): switch(self.i); return 3
    def __neg__(self): switch(self.i); return 4
    def __radd__(self, other): switch(self.i); return 5
    def __getattr__(self, name): switch(self.i); return len
    def __iter__(self): switch(self.i); return self
    def __next__(self):
        self.n += 1
        if self.n == 3: switch(self.i); raise StopIteration
        if self.n == 2: switch(self.i + 1)
        return self.n
    @property
    def p(self): return 5
    @p.setter
    def p(self, value): switch(self.i)

def done(result):
    sys.settrace(None)
    log = events[:]
    events.clear()
    return result, log

def truth(i): return done(1 if C(i) else 2)
def length(i): return done(len(C(i)))
def negative(i): return done(-C(i))
def reflected(i): return done(1 + C(i))
def hook(i): return done(C(i).missing("abc"))
def loop(i): return done([x for x in C(i)])
def setter(i):
    C(i).p = 3; x = 1
    return done(x)
attempts(truth, length, negative, reflected, hook, loop, setter)
""")


if __name__ == "__main__":
    import unittest

    unittest.main()
