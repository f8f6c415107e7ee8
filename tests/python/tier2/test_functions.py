"""Functions that are made over and over: they are made of the memory of dead ones, and are as CPython makes them. Run under `hotspur` with tier 2 on."""

import gc
import sys
import types
import unittest
import weakref

try:
    import _testcapi
except ImportError:
    _testcapi = None

from support import Tier2Case, needs_machine_code, on_stock

N = 3000

ATTRIBUTES = [name for name in dir(types.FunctionType) if name.startswith("__") and name not in dir(object)] + ["__doc__"]
# What is not the same from function to function, or not the same for being equal.
IDENTITIES = {"__call__", "__get__", "__closure__", "__dict__", "__annotations__"}

MAKERS = '''
def plain(i):
    made = lambda: i
    return made

def with_doc(i):
    def made():
        "What it is for."
        return i
    return made

def with_text(i):
    def made():
        x = "Text, and not what it is for."
        return i
    return made

def with_defaults(i):
    def made(a, b=i, *, c=i) -> int:
        return i
    return made

def with_nothing(i):
    def made():
        return __name__
    return made

def generic(i):
    def made[T](x: T) -> T:
        return x
    return made
'''


def attributes(function):
    known = {name: getattr(function, name) for name in ATTRIBUTES if name not in IDENTITIES}
    known["__code__"] = known["__code__"].co_name
    known["__type_params__"] = str(known["__type_params__"])
    return known, function.__dict__, str(function.__annotations__), [cell.cell_contents for cell in function.__closure__ or ()]


class Made(Tier2Case):
    def test_as_cpython_makes_them(self):
        globals_ = {
            "as usual": {"__builtins__": __builtins__, "__name__": "some.module"},
            "builtins in a dictionary": {"__builtins__": dict(vars(unittest.__builtins__) if hasattr(unittest.__builtins__, "__dict__") else unittest.__builtins__)},
            "no name": {},
            "a name that is no string": {"__name__": 5},
        }
        for what, scope in globals_.items():
            with self.subTest(what):
                exec(MAKERS, scope)
                exec("def f(n, maker):\n    made = None\n    for i in range(n):\n        made = None\n        made = maker(i)\n    return made\n", scope)
                f = scope["f"]
                if what == "no name":
                    scope.pop("__name__", None)
                for name in "plain", "with_doc", "with_text", "with_defaults", "with_nothing", "generic":
                    maker = scope[name]
                    expect = on_stock(attributes, on_stock(maker, N - 1))
                    for _ in range(4):
                        made = f(N, maker)
                        self.assertEqual(attributes(made), expect)
                        self.assertTrue(gc.is_tracked(made))
                        self.assertIs(made.__globals__, scope)
                        self.assertIs(made.__builtins__, maker.__builtins__)

    @needs_machine_code
    def test_of_the_memory_of_dead_ones(self):
        """What is as large takes the place of a dead function otherwise."""
        def f(n):
            same = 0
            for i in range(n):
                made = lambda: i
                where = id(made)
                made = None
                as_large = bytes(120), bytes(121), bytes(122)
                made = lambda: i + 1
                same += id(made) == where
            self.same = same
            return made()

        self.hot(f, N, expect=N, share=0.5)
        self.assertGreater(self.same, 0.8 * N)

    def test_globals_that_change(self):
        scope = {"__name__": "first"}
        exec(MAKERS + "def f(n):\n    for i in range(n):\n        made = with_nothing(i)\n    return made\n", scope)
        f = scope["f"]
        self.hot(lambda: f(N)(), expect="first", share=0.3)
        self.assertEqual(f(N).__module__, "first")
        scope["__name__"] = "second"
        self.assertEqual((f(N)(), f(N).__module__), ("second", "second"))
        builtins = dict(f.__builtins__)
        scope["__builtins__"] = builtins
        self.assertIs(f(N).__builtins__, builtins)
        del scope["__name__"]
        self.assertEqual(f(N).__module__, None)

    def test_what_has_changed_a_dead_one(self):
        """Nothing of that is seen in the next one."""
        def f(n):
            seen = set()
            for i in range(n):
                def made(a, b=2):
                    return i, a, b
                seen.add((made.__name__, made.__defaults__, made.__kwdefaults__, made.__doc__, len(made.__dict__)))
                made.__name__ = "other"
                made.__defaults__ = (i,)
                made.__kwdefaults__ = {"k": i}
                made.__doc__ = "doc"
                made.x = i
                assert made(1) == (i, 1, i)
                made.__code__ = (lambda a, b: i).__code__
                assert made(1) == i
                made = None
            return seen

        self.hot(f, N, expect={("made", (2,), None, None, 0)}, share=0)

    def test_weak_references(self):
        def f(n):
            gone = []
            for i in range(n):
                made = lambda: i
                ref = weakref.ref(made, gone.append)
                made = None
                assert ref() is None
            return len(gone)

        self.hot(f, N, expect=N, share=0)

    def test_the_collector_knows_them(self):
        def f(n):
            kept = [None] * 50
            for i in range(n):
                kept[i % 50] = lambda: i
            return kept

        for _ in range(5):
            kept = f(N)
        among = {id(o) for o in gc.get_objects() if isinstance(o, types.FunctionType)}
        self.assertLessEqual({id(made) for made in kept}, among)

        def cycles(n):
            for i in range(n):
                made = lambda: made
                made.n = i
            return made

        self.hot(lambda n: cycles(n).n, N, expect=N - 1, share=0.2)
        ref = weakref.ref(cycles(N))
        gc.collect()
        self.assertIsNone(ref())

    def test_the_count_of_the_youngest_generation(self):
        kept = []

        def f(n):
            for i in range(n):
                (lambda: i)()
                kept.append(lambda: n)
            return len(kept)

        def count():
            kept.clear()
            before = gc.get_count()[0]
            f(N)
            return gc.get_count()[0] - before

        gc.collect()
        gc.disable()
        try:
            for _ in range(6):
                on_stock(count)
                expect = on_stock(count)
                self.assertGreater(expect, N)
                count()
                self.assertAlmostEqual(count(), expect, delta=100)
        finally:
            gc.enable()

    @unittest.skipUnless(_testcapi, "no _testcapi")
    def test_somebody_else_watches(self):
        events = []

        def watcher(event, *_):
            events.append(event)

        def f(n):
            for i in range(n):
                made = lambda: i
                made = None
            return i

        self.hot(f, N, expect=N - 1)
        watched = _testcapi.add_func_watcher(watcher)
        try:
            self.assertEqual(f(N), N - 1)
        finally:
            _testcapi.clear_func_watcher(watched)
        create, destroy = _testcapi.PYFUNC_EVENT_CREATE, _testcapi.PYFUNC_EVENT_DESTROY
        self.assertEqual((events.count(create), events.count(destroy)), (N, N))


class Finished(Tier2Case):
    def noisy(self, log):
        """A class whose instances note in `log` that they die."""
        class Noisy:
            def __init__(self, i):
                self.i = i

            def __del__(self):
                log.append(self.i)

        return Noisy

    def test_what_dies_with_a_generator(self):
        """Its variables and its function's closure, seen by what runs then, or not at all."""
        log = []
        Noisy = self.noisy(log)

        def f(n):
            total = 0
            for i in range(n):
                noisy = Noisy(i)
                total += sum(noisy.i + k for k in (1, 2))
                noisy = None
                total += len(log) - i - 1
            return total

        def g(n):
            total = 0
            for i in range(n):
                for k in (lambda noisy: (noisy.i + k for k in (1, 2)))(Noisy(i)):
                    total += k + len(log) - i
                total += len(log) - i - 1
            return total

        for function in f, g:
            for _ in range(6):
                log.clear()
                self.assertEqual(function(N), sum(2 * i + 3 for i in range(N)))
                self.assertEqual(log, list(range(N)))

    def test_what_dies_with_one_that_has_not_ended(self):
        log = []
        Noisy = self.noisy(log)

        def unprotected(noisy):
            yield noisy.i
            yield None

        def protected(noisy):
            try:
                yield noisy.i
            finally:
                log.append(-1)

        def delegating(noisy):
            yield from protected(noisy)

        def f(n, numbers, made=None):
            total = 0
            for i in range(n):
                for k in numbers(Noisy(i)):
                    total += k
                    break
                total += any(k < 0 for k in numbers(Noisy(-2)))
                made = numbers(Noisy(-3))
            return total

        for numbers, end in (unprotected, []), (protected, [-1]), (delegating, [-1]):
            with self.subTest(numbers.__name__):
                for _ in range(6):
                    log.clear()
                    f(N, numbers)
                    expect = []
                    for i in range(N):
                        # One that was not begun is not ended, either.
                        expect += [*end, i, *end, -2] if i else [*end, 0, *end, -2]
                        if i:
                            expect.append(-3)
                    self.assertEqual(log, [*expect, -3])

    def test_quietly(self):
        def f(n, items):
            total = 0
            for i in range(n):
                total += len(tuple(k + i for k in items))
            return total

        counts = self.hot(f, N, [1, 2, 3], expect=3 * N)
        self.assertLess(counts["frames_shown"], N / 10)


class Generators(Tier2Case):
    @needs_machine_code
    def test_of_the_memory_of_dead_ones(self):
        """What is as large takes the place of a dead generator otherwise."""
        def numbers(a, b):
            yield a
            yield b

        room = sys.getsizeof(numbers(1, 2)) - sys.getsizeof(b"") - 4

        def f(n):
            same = total = where = 0
            for i in range(n):
                as_large = bytes(room), bytes(room), bytes(room)
                made = numbers(i, 1)
                same += id(made) == where
                where = id(made)
                for k in made:
                    total += k
                made = None
            self.same = same
            return total

        self.hot(f, N, expect=N * (N + 1) // 2, share=0.8)
        self.assertGreater(self.same, 0.8 * N)

        def first(n):
            same = total = where = 0
            for i in range(n):
                as_large = bytes(room), bytes(room), bytes(room)
                made = numbers(i, 1)
                same += id(made) == where
                where = id(made)
                for k in made:
                    total += k
                    break
                made = None
            self.same = same
            return total

        # Also if it has not come to its end.
        self.hot(first, N, expect=N * (N - 1) // 2, share=0.8)
        self.assertGreater(self.same, 0.8 * N)

    def test_what_is_seen_of_them(self):
        """Names, ends and weak references are each one's own, and the collector knows them."""
        def numbers(a):
            yield a

        def others(a, b, c, d):
            yield from (a, b, c, d)
            return gone

        def f(n):
            seen = set()
            gone.clear()
            for i in range(n):
                first = numbers(i)
                refs = weakref.ref(first, gone.append)
                seen.add((first.__name__, first.gi_yieldfrom, first.gi_running, first.gi_suspended, gc.is_tracked(first)))
                first.__name__ = "other"
                list(first)
                first = None
                second = others(i, i, i, i)
                seen.add((second.__name__, second.__qualname__, next(second), second.gi_frame.f_locals["a"]) if i == 5 else None)
                for _ in second:
                    pass
                seen.add((second.gi_frame, second.gi_code.co_name))
            return seen, len(gone)

        gone = []
        prefix = "Generators.test_what_is_seen_of_them.<locals>."
        expect = {("numbers", None, False, False, True), None, ("others", prefix + "others", 5, 5), (None, "others")}
        self.hot(f, N, expect=(expect, N), share=0)

    def test_the_count_of_the_youngest_generation(self):
        def numbers(a):
            yield a

        def f(n):
            for i in range(n):
                for _ in numbers(i):
                    kept.append(numbers(i))
                for _ in kept[-1]:
                    pass

        def count():
            kept.clear()
            before = gc.get_count()[0]
            f(N)
            return gc.get_count()[0] - before

        kept = []
        gc.collect()
        gc.disable()
        try:
            for _ in range(6):
                self.assertAlmostEqual(count(), N, delta=100)
        finally:
            gc.enable()


if __name__ == "__main__":
    unittest.main()
