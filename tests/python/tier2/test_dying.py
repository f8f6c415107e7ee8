"""What dies in a superblock: quietly where no code can run, and otherwise with all frames to be seen. Run under `hotspur` with tier 2 on."""

import gc
import os
import sys
import unittest
import weakref

from support import Tier2Case, counted, dying

N = 400


class Dying(Tier2Case):
    """A finalizer sees the frames, and the variables in them, of the very moment."""

    def logs(self, log, f):
        """Calls the function again and again, and yields what it logged each time."""
        for _ in range(6):
            log.clear()
            f(N)
            yield list(log)

    def check(self, make_f):
        log = []
        Noisy = dying(log, lambda v: (v["i"],))
        first = None
        for logged in self.logs(log, make_f(Noisy)):
            self.assertEqual([entry[0] for entry in logged], list(range(N)))
            first = first or logged
            self.assertEqual(logged, first)

    def test_what_an_init_was_given_changes_what_the_trace_relies_on(self):
        """The call goes on with the instance, not with what `__init__` has returned, although the trace ends in between. The same for an
        assignment."""
        class Noisy:
            def __del__(self):
                nonlocal left
                left -= 1
                if left == 0:
                    changed.kind += 1

        class Box:
            kind = 0

            def __init__(self, value):
                self.size = 1

        class Row:
            kind = 0

            def __setitem__(self, i, value):
                self.size = i

        def boxes(n):
            total = 0
            for _ in range(n):
                box = Box(Noisy())
                total += box.size
            return total

        def rows(n):
            total = 0
            row = Row()
            for i in range(n):
                row[i] = Noisy()
                total += row.size == i and Row.kind < 9
            return total

        for f, changed in (boxes, Box), (rows, Row):
            left = -1
            self.hot(f, N, expect=N, share=0.1)
            left = N // 2
            result, counts = counted(f, N)
            self.assertEqual((result, changed.kind), (N, 1))
            if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
                self.assertGreater(counts["runs"], 0)
                self.assertGreater(counts["executors.invalidated.type_modified"], 0)

    def test_in_a_set(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    s = {Noisy(i), 1}
                    s = None
            return f

        self.check(make)

    def test_in_large_sets_and_where_entries_were_removed(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    s = {*range(10**6, 10**6 + 300), "x" * i, (Noisy(i), i), None}
                    s = None
                    s = {10**6, "x" * i, 5, Noisy(-i)}
                    s.discard(5)
                    s = None
            return f

        log = []
        for logged in self.logs(log, make(dying(log, lambda v: (v["i"],)))):
            self.assertEqual([entry[0] for entry in logged], [n for i in range(N) for n in (i, -i)])

    def test_in_a_long_list_before_numbers(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    s = [7, Noisy(i), *range(10**6, 10**6 + 300), "x" * i, (Noisy(-i), i), None]
                    s = None
            return f

        log = []
        for logged in self.logs(log, make(dying(log, lambda v: (v["i"],)))):
            # From the last one to the first.
            self.assertEqual([entry[0] for entry in logged], [n for i in range(N) for n in (-i, i)])

    def test_with_the_last_of_the_generators_of_a_function(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    def count():
                        yield 1

                    count.noisy = Noisy(i)
                    both = {1: count(), 2: count()}
                    count = None
                    both = None
            return f

        self.check(make)

    def test_twice_in_a_tuple(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    d = Noisy(i)
                    t = (d, d)
                    d = None
                    t = None
            return f

        self.check(make)

    def test_in_two_of_a_list(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    d = Noisy(i)
                    t = [(d, 1), [d], {1: d}]
                    d = None
                    t = None
            return f

        self.check(make)

    def test_in_a_tuple_and_a_generator(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    d = Noisy(i)
                    t = (d, items(d))
                    d = None
                    t = None

            def items(kept):
                yield kept
            return f

        self.check(make)

    def test_in_a_closure(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    g = enclose(Noisy(i))
                    g = None

            def enclose(kept):
                return lambda: kept
            return f

        self.check(make)

    def test_as_a_default(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    def g(x=Noisy(i)): return x
                    g = None
            return f

        self.check(make)

    def test_in_a_suspended_generator(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    g = items(Noisy(i))
                    next(g)
                    g = None

            def items(kept):
                yield 1
                yield kept
            return f

        self.check(make)

    def test_in_a_generator_that_has_not_begun(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    g = items(Noisy(i))
                    g = None

            def items(kept):
                yield kept
            return f

        self.check(make)

    def test_in_what_a_suspended_generator_iterates_over(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    any(x for x in [1, Noisy(i)])
            return f

        self.check(make)

    def test_in_a_cell_of_a_generator_alone(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    any(items(Noisy(i)))

            def items(kept):
                return (x and kept for x in (1, 2))
            return f

        self.check(make)

    def test_twice_in_what_a_generator_holds(self):
        def make(Noisy):
            def f(n):
                for i in range(n):
                    any(items(Noisy(i)))

            def items(kept):
                other = [kept]
                for x in other:
                    yield 1
            return f

        self.check(make)

    def test_generators_in_try_statements_are_closed(self):
        log = []

        def items(i):
            try:
                yield i
                yield 1
            except GeneratorExit:
                log.append((i, sys._getframe(1).f_locals["i"]))
                raise

        def within(i):
            with Context(i):
                yield i + 1

        class Context:
            def __init__(self, i):
                self.i = i

            def __enter__(self):
                pass

            def __exit__(self, *_):
                log.append((self.i, sys._getframe(2).f_locals["i"]))

        def f(n):
            for i in range(1, n):
                any(items(i))
                any(within(i))

        wanted = [(i, i) for i in range(1, N) for _ in range(2)]
        for logged in self.logs(log, f):
            self.assertEqual(logged, wanted)

    def test_weak_references(self):
        log = []

        def f(n):
            for i in range(n):
                def g(): pass
                r = weakref.ref(g, lambda _: log.append(sys._getframe(1).f_locals["i"]))
                g = None
                h = (x for x in "ab")
                q = weakref.ref(h, lambda _: log.append(-sys._getframe(1).f_locals["i"]))
                any(h)
                h = None
                s = {1, i}
                p = weakref.ref(s, lambda _: log.append(sys._getframe(1).f_locals["i"]))
                s = None

        for logged in self.logs(log, f):
            self.assertEqual(logged, [x for i in range(N) for x in (i, -i, i)])


class Classes(Tier2Case):
    """Attributes of classes with metaclasses."""

    def test_metaclasses(self):
        class Meta(type):
            pass

        class Class(metaclass=Meta):
            a = 1

        def f(n):
            total = 0
            for _ in range(n):
                total += Class.a
            return total

        self.hot(f, N, expect=N, share=0.8)
        Class.a = 2
        self.hot(f, N, expect=2 * N, share=0.8)
        Meta.b = 5
        self.hot(f, N, expect=2 * N, share=0.8)
        Meta.a = property(lambda self: 3)
        self.assertEqual([f(N) for _ in range(5)], [3 * N] * 5)
        del Meta.a
        self.hot(f, N, expect=2 * N, share=0.8)
        Meta.a = 7
        self.hot(f, N, expect=2 * N, share=0.0)
        del Meta.a

        class Other(type):
            a = property(lambda self: 4)

        Class.__class__ = Other
        self.assertEqual([f(N) for _ in range(5)], [4 * N] * 5)
        Class.__class__ = Meta
        self.hot(f, N, expect=2 * N, share=0.8)
        Meta.__getattribute__ = lambda self, name: 6
        self.assertEqual([f(N) for _ in range(5)], [6 * N] * 5)

    def test_a_metaclass_that_changes_in_the_loop(self):
        class Meta(type):
            pass

        class Other(Meta):
            a = property(lambda self: 10)

        class Class(metaclass=Meta):
            a = 1

        def f(n, at):
            total = 0
            for i in range(n):
                if i == at:
                    Class.__class__ = Other
                total += Class.a
            return total

        for _ in range(5):
            self.assertEqual(f(N, -1), N)
            self.assertEqual(f(N, N - 10), N - 10 + 100)
            Class.__class__ = Meta

    def test_the_attribute_becomes_a_descriptor(self):
        class Meta(type):
            pass

        class Value:
            pass

        class Class(metaclass=Meta):
            a = Value()

        def f(n, at):
            found = set()
            for i in range(n):
                if i == at:
                    Value.__get__ = lambda *_: "got"
                found.add(Class.a)
            return len(found)

        for _ in range(5):
            self.assertEqual(f(N, -1), 1)
            self.assertEqual(f(N, N - 10), 2)
            del Value.__get__

    def test_members_of_enumerations(self):
        import enum

        class Kind(enum.Enum):
            BIG = 1
            SMALL = 2

        def f(n):
            total = 0
            for i in range(n):
                if (Kind.BIG if i % 2 else Kind.SMALL) == Kind.BIG:
                    total += 1
            return total

        counts = self.hot(f, N, expect=N // 2, share=0.9)
        self.assertLess(counts["instructions.LOAD_ATTR"], N // 10)

    def nested(self, make):
        """A function that loops over what was made, at many levels at the same time, and leaves these loops with the function, or at their ends.
        It notes how many blocks are allocated while all the iterators live."""
        blocks = [0]

        def f(depth, leave, items=make):
            for x in items:
                if depth:
                    f(depth - 1, leave)
                else:
                    blocks[0] = sys.getallocatedblocks()
                if leave:
                    return depth
            return -1

        return f, blocks

    def test_iterators_of_lists_and_tuples_leave_their_memory(self):
        """To those that traces make next: it is allocated still when they are dead. Not where tier 1 goes on in the callers, and
        drops the iterators, which depends on where there are executors already: so it is enough if it happened in one of these cases."""
        depth = 80
        kept = []
        for make in [7], (7,):
            f, blocks = self.nested(make)
            for leave, expect in (1, depth), (0, -1):
                with self.subTest(type=type(make).__name__, leave=leave):
                    gc.collect()
                    gc.disable()
                    try:
                        self.hot(f, depth, leave, expect=expect, rounds=400)
                        before = gc.get_count()[0]
                        self.assertEqual(f(depth, leave), expect)
                        self.assertAlmostEqual(gc.get_count()[0], before, delta=10)
                        kept.append(abs(sys.getallocatedblocks() - blocks[0]) < 30)
                    finally:
                        gc.enable()
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertIn(True, kept)

    def test_iterators_that_die_with_what_they_iterate_over(self):
        """With finalizers, which see the frames; and iterators that somebody has kept go on."""
        log, kept = [], []
        Noisy = dying(log, lambda v: (v["i"],))

        def inner(items, leave):
            for x in items():
                if leave:
                    return x is None
            return False

        def f(n):
            for i in range(n):
                inner(lambda: [Noisy(i)], i % 2)
                it = iter((i, [i]))
                for x in it:
                    break
                if i % 50 == 0:
                    kept.append(it)
            return len(kept)

        for _ in range(4):
            log.clear()
            kept.clear()
            self.assertEqual(f(N), N // 50)
            self.assertEqual([entry[0] for entry in log], list(range(N)))
            gc.collect()
            self.assertEqual([list(it) for it in kept], [[[i]] for i in range(0, N, 50)])


if __name__ == "__main__":
    unittest.main()
