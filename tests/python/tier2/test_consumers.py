"""Functions that consume generators run as part of the program's own code: nothing but speed may show that."""

import builtins
import gc
import math
import operator
import os
import sys
import unittest
import weakref
from fractions import Fraction

from support import Tier2Case, describe, on_stock

N = 120


def outcome(function, *args):
    """The result with its type, or the exception with where it was raised."""
    try:
        result = function(*args)
    except Exception as error:
        places, tb = [], error.__traceback__
        while tb:
            places.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
            tb = tb.tb_next
        return type(error), str(error), places[1:]
    return type(result), repr(result)


def callers():
    """The names and lines of the frames above this one, as far as the function that a test runs."""
    found, frame = [], sys._getframe(1)
    while frame and frame.f_code.co_name != "outcome":
        found.append((frame.f_code.co_name, frame.f_lineno))
        frame = frame.f_back
    return found


CONSUMERS = {
    "any": lambda g: any(g),
    "all": lambda g: all(g),
    "sum": lambda g: sum(g),
    "min": lambda g: min(g),
    "max": lambda g: max(g),
    "list": lambda g: list(g),
    "tuple": lambda g: tuple(g),
    "set": lambda g: set(g),
    "sorted": lambda g: sorted(g),
    "join": lambda g: "-".join(g),
}


def fresh(name):
    """A consumer whose call was not specialized yet, and which has no executors."""
    function = CONSUMERS[name]
    return type(function)(function.__code__.replace(co_name=name), globals())


class Same(unittest.TestCase):
    """The same as on stock, cold and hot."""

    def check(self, function, *args, rounds=N):
        wanted = on_stock(outcome, function, *args)
        for i in range(rounds):
            self.assertEqual(outcome(function, *args), wanted, (i, args))

    def check_all(self, names, items):
        for name in names.split():
            consumer = fresh(name)

            def f():
                return consumer(x for x in items)

            with self.subTest(name=name, items=items):
                self.check(f)

    def test_numbers(self):
        big = 2**63
        for items in (
            [],
            [1],
            [3, 1, 2],
            [0, 0, 0],
            [True, False, True],
            [1, 2.5, 3],
            [0.1] * 10,
            [1e100, 1.0, -1e100],
            [1.0, 10**400],
            [0.5, True, 2, big, 0.25],
            [big - 1, 1, 0.1, 0.2, 0.3],
            [big - 1, 0.1, 0.2, 0.3],
            [-big, -1, 0.1, 0.2],
            [-5, big, 0.1, 0.2],
            [2**28] * 20,
            [2**60] * 20,
            [2**40, 0.1, 0.2],
            [Fraction(1, 3), 2, 0.5],
            [1.5, Fraction(1, 3), 0.1, 0.2],
            [-0.0, -0.0],
            [math.inf, 1.0, 2.0],
            [math.inf, -math.inf],
            [1e308, 1e308],
            [math.nan, 1.0],
            [1, 2j, 3.5],
            ["a", 1],
            [1, "a"],
            [1.5, "a"],
            [[1], [2]],
        ):
            self.check_all("any all sum min max list tuple sorted", items)

    def test_other_items(self):
        for items in ([], ["a"], ["b", "a", "c"] * 7, ["a", 1], [["x"]], [None, ()], list(range(100))):
            self.check_all("any all min max list tuple set sorted join", items)

    def test_int_subclass(self):
        class Int(int):
            def __add__(self, other):
                return "added"

            def __radd__(self, other):
                return 0.5

        for items in ([Int(3), 1.5, Int(4)], [1.5, Int(4), 2.5], [1, Int(2)]):
            self.check_all("sum any list max", items)

    def test_order_of_equal_items(self):
        items = [1.0, 1, True, 0, 0.0, False]
        self.check_all("min max sorted", items)

    def test_size_of_lists(self):
        def f(n):
            return sys.getsizeof(list(x for x in range(n))), sys.getsizeof(sorted(x for x in range(n)))

        for n in range(40):
            self.check(f, n, rounds=60)

    def test_exceptions(self):
        def items(n):
            yield 1
            yield from range(n)
            raise KeyError("from the generator")

        def stops():
            yield 0
            raise StopIteration(5)

        for name in CONSUMERS:
            consumer = fresh(name)
            with self.subTest(name=name):
                self.check(lambda: consumer(items(5)))
                self.check(lambda: consumer(stops()))

    def test_exceptions_of_items(self):
        class Item:
            def __bool__(self):
                raise KeyError("bool")

            def __repr__(self):
                return "item"

            __gt__ = __lt__ = __add__ = __radd__ = __hash__ = lambda *_: {}[3]

        for name in CONSUMERS:
            consumer = fresh(name)
            with self.subTest(name=name):
                self.check(lambda: consumer(Item() for _ in range(3)))

    def test_frames(self):
        def f(consumer, convert):
            found = []

            def note(x):
                found.append(callers())
                return convert(x)

            consumer(note(x) for x in range(4))
            return found

        for name in CONSUMERS:
            self.check(f, fresh(name), str if name == "join" else int)

    def test_what_items_see(self):
        found = []

        class Item:
            def __bool__(self):
                found.append(("bool", callers()))
                return False

            def __lt__(self, other):
                found.append(("lt", callers()))
                return False

            def __add__(self, other):
                found.append(("add", callers()))
                return 0

            def __hash__(self):
                found.append(("hash", callers()))
                return 3

            def __del__(self):
                found.append(("del", callers()))

            __gt__, __radd__ = __lt__, __add__

        def f(consumer):
            found.clear()

            def items():
                for i in range(4):
                    found.append(i)
                    yield Item()

            try:
                consumer(items())
            except TypeError as error:
                found.append(str(error))
            return found.copy()

        for name in CONSUMERS:
            with self.subTest(name=name):
                self.check(f, fresh(name), rounds=100)

    def test_a_generator_that_is_left(self):
        def f(consumer, stop):
            found = []

            def items():
                try:
                    for i in range(10):
                        yield i == stop
                finally:
                    found.append(callers())

            return consumer(items()), found

        for stop in (0, 1, 5, 20):
            self.check(f, fresh("any"), stop)
            self.check(lambda stop: f(lambda g: all(not x for x in g), stop), stop)

    def test_what_is_left(self):
        class Object:
            pass

        def f():
            kept = Object()
            reference = weakref.ref(kept, lambda _: found.append(callers()))
            found = []
            generator = (x for x in [kept, kept])
            del kept
            tuple(generator)
            found.append("consumed")
            states = (generator.gi_frame, generator.gi_running, list(generator), reference())
            del generator
            return found, states, len(gc.get_referrers(reference))

        self.check(f)

    def test_finalizers_of_closures(self):
        found = []

        class Object:
            def __del__(self):
                found.append(callers())

        def make():
            kept = Object()
            return (kept is None for _ in range(3))

        def f():
            found.clear()
            any(make())
            found.append("between")
            list(make())
            return found.copy()

        self.check(f)

    def test_begun_generators(self):
        def f():
            generator = (x for x in range(10))
            next(generator)
            return sum(generator), sum(generator), list(generator)

        self.check(f)

    def test_a_generator_that_consumes_itself(self):
        def f():
            def items():
                yield 1
                yield any(generator)

            generator = items()
            return list(generator)

        self.check(f)

    def test_recursion(self):
        def depth(n):
            return 1 + sum(depth(n - 1) for _ in (1,)) if n else 0

        self.check(depth, 50, rounds=40)
        # The trace function takes a frame of its own.
        wanted = on_stock(outcome, depth, 100_000)
        for _ in range(10):
            kind, message, places = outcome(depth, 100_000)
            self.assertEqual((kind, message), wanted[:2])
            self.assertIn(len(places) - len(wanted[2]), (0, 1))

    def test_functions_that_are_replaced(self):
        def f():
            return any(x for x in range(3))

        self.check(f)
        original = builtins.any
        builtins.any = lambda g: ["replaced", *g]
        try:
            self.check(f)
            builtins.any = sum
            self.check(f)
            builtins.any = sorted
            self.check(f)
        finally:
            builtins.any = original
        self.check(f)

    def test_builtins_are_not_looked_at(self):
        def f():
            return list(x for x in range(3)), tuple(x for x in range(3)), sum(x / 3 for x in range(9))

        self.check(f)
        originals = {name: getattr(builtins, name) for name in "len type tuple int float abs".split()}
        try:
            for name in originals:
                if name != "tuple":
                    setattr(builtins, name, None)
            results = [f() for _ in range(N)]
        finally:
            for name, original in originals.items():
                setattr(builtins, name, original)
        self.assertEqual(results, [f()] * N)

    def test_different_arguments(self):
        def f(x):
            return sum(x)

        def numbers(n):
            yield from range(n)

        for _ in range(3):
            for make in (lambda: numbers(5), lambda: [1, 2.5], lambda: (x for x in (1, 2)), lambda: {3: 4}):
                wanted = sum(make())
                for _ in range(50):
                    self.assertEqual(f(make()), wanted)

    def test_called_otherwise(self):
        def f():
            return sum((x for x in range(3)), 5), max((x for x in ()), default=3), operator.call(any, (x for x in "a"))

        self.check(f)

    def test_a_trace_function_in_the_middle(self):
        def f(consumer, convert):
            events = []

            def trace(frame, event, _):
                events.append((frame.f_code.co_name, event, frame.f_lineno))
                return trace

            def items():
                for i in range(6):
                    if i == 3:
                        sys.settrace(trace)
                    yield convert(i)

            try:
                result = consumer(items())
            finally:
                sys.settrace(None)
            return result, events

        for name in ("sum", "list", "max", "set", "join"):
            consumer, convert = fresh(name), str if name == "join" else int
            # On stock as it is without a trace function from the beginning.
            wanted = on_stock(f, consumer, convert)
            for _ in range(50):
                result, events = f(consumer, convert)
                self.assertEqual(result, wanted[0])
                self.assertTrue(events)
                self.assertEqual([e for e in events if "_of" in e[0]], [])

    def test_code_that_comes_and_goes(self):
        for i in range(30):
            space = {}
            exec(f"def f(n): return sum(x + {i} for x in range(n))", space)
            for _ in range(30):
                self.assertEqual(space["f"](20), 190 + 20 * i)
            code = weakref.ref(space["f"].__code__)
            del space
            gc.collect()
            self.assertIsNone(code())


class Iterables(unittest.TestCase):
    """Classes with a generator function as `__iter__`."""

    check = Same.check

    def test_frames_and_exceptions(self):
        found = []

        class Items:
            def __init__(self, n):
                self.n = n

            def __iter__(self):
                found.append(callers())
                for i in range(self.n):
                    found.append(callers())
                    yield i
                if self.n == 3:
                    raise KeyError(self.n)

            def __del__(self):
                found.append(("del", callers()))

        def f(n):
            found.clear()
            for i in Items(n):
                found.append(i)
            found.append("in between")
            found.append(list(delegates(n)))
            return found.copy()

        def delegates(n):
            yield from Items(n)

        for n in (0, 2, 3):
            self.check(lambda: f(n), rounds=60)

    def test_other_methods(self):
        def generates(self):
            yield 5

        def wrapped(self, *rest):
            yield rest

        def with_default(self, x=3):
            yield x

        class Base:
            __iter__ = generates

        class Derived(Base):
            pass

        def make(method):
            return type("Class", (), {"__iter__": method})

        classes = [Base, Derived, make(wrapped), make(with_default), make(lambda self: iter("ab"))]
        classes += [make(lambda self: 5), make(None), make(staticmethod(lambda: iter("c"))), make(property(generates))]
        classes += [make(classmethod(generates)), make(lambda: 3), type("L", (list,), {"__iter__": generates})]
        for one in classes:
            def f():
                return [x for x in one()], [*delegates(one())]

            def delegates(x):
                yield from x

            self.check(f, rounds=60)

    def test_a_method_that_changes(self):
        class Items:
            def __iter__(self):
                yield 1

        def other(self):
            yield 2

        def f():
            return [x for x in Items()]

        original = Items.__iter__
        for _ in range(3):
            Items.__iter__ = original
            self.assertEqual([f() for _ in range(N)], [[1]] * N)
            Items.__iter__ = other
            self.assertEqual([f() for _ in range(N)], [[2]] * N)
            Items.__iter__ = lambda self: iter("a")
            self.assertEqual([f() for _ in range(N)], [["a"]] * N)

    def test_recursion(self):
        class Deep:
            def __iter__(self):
                yield from Deep()

        def f():
            for _ in Deep():
                pass

        kind, message, places = outcome(f)
        self.assertEqual((kind, message), on_stock(outcome, f)[:2])
        for _ in range(5):
            self.assertEqual(outcome(f), (kind, message, places))


class Mechanisms(Tier2Case):
    """In tier 2, and without an activation or a run for each item."""

    def few(self, counts, limit, function):
        """Runs and entries of a call. (What is recorded before tier 1 has specialized it is another matter.)"""
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertLess(min(c["runs"] for c in counts), limit, describe(function))
            self.assertLess(min(c["entries"] for c in counts), limit, describe(function))

    def test_one_loop(self):
        items = list(range(1, 2001))

        def any_(): return any(x < 0 for x in items)
        def all_(): return all(x > 0 for x in items)
        def sum_(): return sum(x for x in items)
        def floats(): return sum(x / 2 for x in items)
        def max_(): return max(x & 63 for x in items)
        def list_(): return list(x for x in items)
        def tuple_(): return tuple(x for x in items)
        def set_(): return set(x for x in items)
        def sorted_(): return sorted(x for x in items)
        def joined(): return "".join("a" for x in items)

        for function in (any_, all_, sum_, floats, max_, list_, tuple_, set_, sorted_, joined):
            with self.subTest(function=function.__name__):
                wanted = on_stock(function)
                runs = [self.hot(function, expect=wanted, rounds=100, share=0.9) for _ in range(3)]
                self.few(runs, len(items) // 4, function)

    def test_iterables(self):
        class Items:
            def __init__(self, n):
                self.n = n

            def __iter__(self):
                i = 0
                while i < self.n:
                    yield i
                    i += 1

        def f(n):
            total = 0
            for _ in range(n):
                for x in Items(3):
                    total += x
            return total

        counts = [self.hot(f, 300, expect=900, rounds=100, share=0.9) for _ in range(3)]
        self.few(counts, 1500, f)
        # What makes an iterator is not left to tier 1.
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertLess(min(c["instructions.GET_ITER"] for c in counts), 30)

    def test_slices_and_reversed(self):
        def f(items, text, n):
            found = 0
            for i in range(n):
                found += len(items[i:]) + len(items[-3:i]) + len(items[:]) + len(text[i:-1]) + len(text[:i])
                for x in reversed(range(i & 3)):
                    found += x
            return found

        for items in (list(range(20)), tuple(range(20)), "abcdefghij"):
            text = "h\u00e9llo \u20ac"
            wanted = on_stock(f, items, text, 200)
            self.hot(f, items, text, 200, expect=wanted, rounds=10, share=0.9)

    def test_sets_and_iterators(self):
        def f(n):
            found = 0
            for i in range(n):
                found += len({x & 3 for x in iter(range(i & 7))})
                for x in iter([1, i]):
                    found += x
            return found

        counts = self.hot(f, 800, expect=on_stock(f, 800), rounds=10, share=0.9)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertLess(counts["instructions.BUILD_SET"] + counts["instructions.GET_ITER"], 60)

    def test_a_generator_of_its_own(self):
        # Each expression has a loop of its own, so none of them is in another one's way.
        def f(n):
            return any(x < 0 for x in range(n)) + any(x > n for x in range(n)) + any(x == -5 for x in range(n))

        self.few([self.hot(f, 1000, expect=0, rounds=100, share=0.9) for _ in range(3)], 600, f)


if __name__ == "__main__":
    unittest.main()
