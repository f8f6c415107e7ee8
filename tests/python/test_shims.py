"""Operators of classes with methods in Python run in frames of shims, not through C: nothing but speed may show that."""
import abc
import sys
import traceback
import unittest

import hotspur


class Value:
    def __init__(self, x):
        self.x = x

    def __add__(self, other):
        return Value(self.x + other.x) if type(other) is Value else NotImplemented

    def __mul__(self, other):
        return Value(self.x * other) if isinstance(other, (int, float)) else NotImplemented

    def __sub__(self, other):
        raise ValueError("sub")

    def __and__(self, other):
        return [frame.name for frame in traceback.extract_stack()][-2:]

    def __or__(self, other):
        return sys._getframe(1).f_code.co_name, sys._getframe().f_back.f_lineno - sys._getframe(1).f_code.co_firstlineno

    def __eq__(self, other):
        return self.x == other.x if type(other) is Value else NotImplemented

    def __lt__(self, other):
        return self.x < other.x if type(other) is Value else NotImplemented

    def __contains__(self, item):
        return [item] if item == 3 else []

    def __setitem__(self, key, value):
        self.stored = key, value
        return 5

    def __call__(self, a, b=2, *rest, **keywords):
        return self.x, a, b, rest, keywords


class Hashed:
    def __hash__(self):
        return 5


class Abstract(abc.ABC):
    def __init__(self, x):
        self.x = x


class KeywordOnly:
    def __init__(self, x, *, y=1):
        self.x = x


class Derived(Value):
    def __radd__(self, other):
        return "Derived.__radd__"

    def __gt__(self, other):
        return "Derived.__gt__"


class Right:
    def __radd__(self, other):
        return "Right.__radd__"

    def __rmul__(self, other):
        return NotImplemented

    def __gt__(self, other):
        return ["Right.__gt__"]


class NoTruth:
    def __bool__(self):
        raise KeyError("no truth")


class Odd:
    def __eq__(self, other):
        return NoTruth()

    def __lt__(self, other):
        return []

    def __contains__(self, item):
        return NoTruth()


def add_in_place(a, b):
    a += b
    return a


def multiply_in_place(a, b):
    a *= b
    return a


class Shims(unittest.TestCase):
    """Each test runs often enough for tier 2, if that is on."""

    def often(self, function, *args, expect):
        for _ in range(30):
            self.assertEqual(function(*args), expect)

    def fails(self, function, *args, message, frames):
        for _ in range(30):
            try:
                function(*args)
            except Exception as e:
                self.assertEqual(f"{type(e).__name__}: {e}", message)
                self.assertEqual([f.name for f in traceback.extract_tb(e.__traceback__)][2:], frames)
            else:
                self.fail("it does not raise")

    def test_no_activation(self):
        v, key = Value(1), Hashed()
        table, some = {key: 1}, {key}

        def run():
            for _ in range(100):
                key in table
                key not in some
                table[key]
                v + v
                v == v
                3 in v
                v[1] = 2
                v(1)
                Value(x=1)
                Abstract(1)
                KeywordOnly(1)

        run()
        before = hotspur.info()["counters"]["entries"]
        run()
        self.assertLess(hotspur.info()["counters"]["entries"] - before, 10)

    def test_operators(self):
        v, w, r = Value(2), Derived(3), Right()
        self.often(lambda: (v + v).x, expect=4)
        self.often(lambda: v + w, expect="Derived.__radd__")
        self.often(lambda: v + r, expect="Right.__radd__")
        self.often(lambda: (v * 3).x, expect=6)
        self.often(lambda: add_in_place(v, v).x, expect=4)
        self.often(lambda: add_in_place(v, r), expect="Right.__radd__")
        self.fails(lambda: v + 1, message="TypeError: unsupported operand type(s) for +: 'Value' and 'int'", frames=[])
        self.fails(lambda: v * r, message="TypeError: unsupported operand type(s) for *: 'Value' and 'Right'", frames=[])
        self.fails(lambda: v * [1], message="TypeError: can't multiply sequence by non-int of type 'Value'", frames=[])
        message = "TypeError: unsupported operand type(s) for *=: 'Value' and 'list'"
        self.fails(lambda: multiply_in_place(v, [1]), message=message, frames=["multiply_in_place"])
        self.fails(lambda: v - v, message="ValueError: sub", frames=["__sub__"])

    def test_frames(self):
        v = Value(2)

        def caller():
            return v & v

        def line():
            return v | v

        self.often(caller, expect=["caller", "__and__"])
        self.often(line, expect=("line", 1))

    def test_comparisons(self):
        v, w, r, odd = Value(2), Derived(3), Right(), Odd()
        self.often(lambda: (v == v, v == 1, v != 1, v < v), expect=(True, False, True, False))
        self.often(lambda: v < w, expect="Derived.__gt__")
        self.often(lambda: v < r, expect=["Right.__gt__"])
        self.often(lambda: 1 if v < r else 2, expect=1)
        self.often(lambda: (odd < odd, not (odd < odd)), expect=([], True))
        message = "TypeError: '<' not supported between instances of 'Value' and 'int'"
        self.fails(lambda: v < 1, message=message, frames=[])
        self.fails(lambda: 1 if odd == odd else 0, message="KeyError: 'no truth'", frames=["__bool__"])

    def test_containers(self):
        v, odd = Value(2), Odd()
        self.often(lambda: (3 in v, 4 in v, 3 not in v), expect=(True, False, False))
        self.fails(lambda: 1 in odd, message="KeyError: 'no truth'", frames=["__bool__"])

        def store():
            v["key"] = "value"
            return v.stored

        self.often(store, expect=("key", "value"))

    def test_calls(self):
        v = Value(2)
        self.often(lambda: v(1), expect=(2, 1, 2, (), {}))
        self.often(lambda: v(1, 3), expect=(2, 1, 3, (), {}))
        self.often(lambda: v(1, 3, 4, k=5), expect=(2, 1, 3, (4,), {"k": 5}))
        message = "TypeError: Value.__call__() missing 1 required positional argument: 'a'"
        self.fails(lambda: v(), message=message, frames=[])

    def test_classes_with_keywords(self):
        class Initialized:
            def __init__(self, a, b=2, *rest, c=3, **keywords):
                self.seen = a, b, rest, c, keywords
                self.callers = [sys._getframe(i).f_code.co_name for i in range(2)]

        class Returning:
            def __init__(self, result):
                if result == 0:
                    raise KeyError("zero")
                return result

        self.often(lambda: Initialized(a=1).seen, expect=(1, 2, (), 3, {}))
        self.often(lambda: Initialized(1, 5, 6, c=7, d=8).seen, expect=(1, 5, (6,), 7, {"d": 8}))
        self.often(lambda: Initialized(a=1).callers, expect=["__init__", "<lambda>"])
        self.often(lambda: type(Returning(result=None)), expect=Returning)
        self.fails(lambda: Returning(result=1), message="TypeError: __init__() should return None, not 'int'", frames=[])
        self.fails(lambda: Returning(result=0), message="KeyError: 'zero'", frames=["__init__"])
        name = Returning.__init__.__qualname__
        message = f"TypeError: {name}() got an unexpected keyword argument 'x'"
        self.fails(lambda: Returning(x=1), message=message, frames=[])

    def test_recursion_counts_methods_only(self):
        class Deep:
            def __init__(self, n):
                self.n = n

            def __add__(self, other):
                return 1 if self.n == 0 else 1 + (chain[self.n - 1] + other)

        chain = [Deep(n) for n in range(3000)]

        def depth(n):
            try:
                return chain[n] + 1
            except RecursionError:
                return "too deep"

        # Where the limit is, to the frame.
        low, high = 0, len(chain) - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if depth(middle) == "too deep" else (middle, high)
        here = 0
        frame = sys._getframe()
        while frame is not None:
            here += 1
            frame = frame.f_back
        self.assertEqual(low, sys.getrecursionlimit() - here - 2)

    def test_tools_are_switched_on_in_a_method(self):
        events = []

        def tracer(frame, event, arg):
            events.append((frame.f_code.co_name, event))
            return tracer

        class Switch:
            def __add__(self, other):
                sys.settrace(tracer)
                sys._getframe().f_trace = tracer
                return NotImplemented

        class Other:
            def __radd__(self, other):
                return 7

        def caller():
            result = Switch() + Other()
            sys.settrace(None)
            return result

        self.assertEqual(caller(), 7)
        self.assertEqual(events, [("__add__", "line"), ("__add__", "return"), ("__radd__", "call"),
                                  ("__radd__", "line"), ("__radd__", "return")])


if __name__ == "__main__":
    unittest.main()
