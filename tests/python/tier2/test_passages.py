"""From one executor to the next: the right result whatever happens on the way."""

import collections
import gc
import os
import signal
import sys
import traceback
import types

import hotspur

from support import Tier2Case, compiled, counted, needs_machine_code

N = 4000


def alternating(n, at=-1, action=None):
    """A loop with a branch that goes either way in turn, so that one of them is a side exit."""
    odd = even = i = 0
    while i < n:
        if i & 1:
            odd += i
        else:
            even += 1
        if i == at:
            action()
        i += 1
    return odd, even


def expected(n):
    return sum(range(1, n, 2)), (n + 1) // 2


def leaf(i):
    if i & 1:
        return i * 2
    return 1


def calling(n):
    total = 0
    i = 0
    while i < n:
        total += leaf(i)
        i += 1
    return total


def failing(i):
    if i % 3 == 0:
        x = i
    else:
        x = 1
    return 100 // (i - 2999) + x


class Passages(Tier2Case):
    def warm(self):
        for _ in range(6):
            self.assertEqual(alternating(N), expected(N))

    def test_exits_are_counted(self):
        counts = self.hot(alternating, N, expect=expected(N), share=0.9)
        self.assertGreaterEqual(counts["exits.hot"], N // 2 - 10)
        self.assertLess(counts["exits.cold"], N // 100)
        # Each exit ends a run. (What counts may be run in an executor itself.)
        self.assertAlmostEqual(counts["runs"], counts["exits.hot"] + counts["exits.cold"], delta=4)
        # So many bytecodes as tier 1 would have executed: at least nine in each round.
        self.assertGreaterEqual(counts["bytecodes.tier2"], 9 * N * 9 // 10)

    def test_virtual_frames_are_pushed(self):
        expect = sum(leaf(i) for i in range(N))
        self.hot(calling, N, expect=expect, share=0.9)

    def test_traceback_behind_passages(self):
        def loop():
            for i in range(2999):
                failing(i)
            failing(2999)

        for _ in range(6):
            try:
                loop()
            except ZeroDivisionError as error:
                frames = traceback.extract_tb(error.__traceback__)
        self.assertEqual([f.name for f in frames], ["test_traceback_behind_passages", "loop", "failing"])
        first = failing.__code__.co_firstlineno
        self.assertEqual(frames[-1].lineno, first + 5)

    def test_unboxed_values_are_boxed(self):
        def f(n):
            x = 0.5
            k = 1
            i = 0
            while i < n:
                if i & 1:
                    x = x * 0.5 + k
                    k = k + 100000 if k < 1000000000 else -k
                else:
                    x = x - 0.25
                    k = k - 1
                i += 1
            return x, k

        expect = f(N)
        self.hot(f, N, expect=expect, share=0.9)

    def test_removed_on_the_way(self):
        def remove_all():
            self.assertTrue(hotspur.executors(alternating))
            hotspur._hotspur.remove_executors(None)

        self.warm()
        for at in (N // 2, N // 2 + 1):
            self.assertEqual(alternating(N, at, remove_all), expected(N))
            self.warm()
        self.assertEqual(alternating(N, 10, gc.collect), expected(N))

    def test_tracing_on_the_way(self):
        lines = []

        def trace(frame, event, argument):
            if event == "line":
                lines.append(frame.f_lineno - frame.f_code.co_firstlineno)
                if len(lines) == 40:
                    sys.settrace(None)
                    frame.f_trace = None
            return trace

        def start():
            sys.settrace(trace)
            sys._getframe(1).f_trace = trace

        self.warm()
        for at in (N // 2, N // 2 + 1):
            lines.clear()
            self.assertEqual(alternating(N, at, start), expected(N))
            self.assertEqual(len(lines), 40)
            odd, even = [10, 3, 4, 5, 8], [10, 3, 4, 7, 8]
            rounds = (odd + even) * 5 if at % 2 == 0 else (even + odd) * 5
            self.assertEqual(lines, rounds[:40])

    def test_signals_arrive(self):
        class Alarm(Exception):
            pass

        def ring(number, frame):
            raise Alarm

        self.warm()
        before = signal.signal(signal.SIGALRM, ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with self.assertRaises(Alarm):
                alternating(1 << 62)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def test_recursion_limit(self):
        def down(n, deepest):
            deepest[0] = n
            if n & 1:
                return down(n + 1, deepest) + 1
            return down(n + 1, deepest) + 2

        def depth():
            deepest = [0]
            try:
                down(0, deepest)
            except RecursionError:
                return deepest[0]

        first = depth()
        for _ in range(30):
            self.assertEqual(depth(), first)

    def test_target_replaced(self):
        def f(n, g):
            total = i = 0
            while i < n:
                if i & 1:
                    total += g(i)
                else:
                    total -= 1
                i += 1
            return total

        def one(i):
            return i + 1

        def two(i):
            return 2 * i

        for _ in range(5):
            for g in (one, two, int, one):
                expect = sum(g(i) if i & 1 else -1 for i in range(N))
                self.assertEqual(f(N, g), expect)
        _, counts = counted(f, N, one)
        self.assertGreater(counts.share, 0.9)


def kinds():
    """Objects of classes that differ, so that guards of one fail for the others."""
    made = []
    for i in range(8):
        o = type(f"Kind{i}", (), {"f": 1.5 * i})()
        o.x = i
        made.append(o)
    return made


def get(o, y, i):
    z = y * 2.0
    return o.x * i + z + o.f


def megamorphic(objects, n):
    total = 0.0
    for i in range(n):
        total += get(objects[i & 7], total * 0.001, i + 1)
    return total


def lines(objects, n):
    """Where an exception is raised in a frame that an exit has made."""
    found = []
    for i in range(n):
        try:
            get(objects[i & 7], 1.0, i)
        except AttributeError as e:
            frames = traceback.extract_tb(e.__traceback__)
            found.append((i, [(f.name, f.line) for f in frames], e.__traceback__.tb_next.tb_frame.f_locals["z"]))
    return found


class LostLinks(Tier2Case):
    def test_what_a_link_leads_to_is_made_again(self):
        """The rounds of a generator that C resumes run in an executor of their own, so tier 1 comes by no back-edge."""

        source = "def numbers(limit):\n i = 0\n while i < limit:\n  yield i\n  i += 1\n return {}\n"

        def consumed():
            collections.deque(numbers(N), maxlen=0)

        # What else was recorded in the process may decide in which order this is, and so where traces begin and end.
        for attempt in range(10):
            names = {}
            exec(source.format(attempt), names)
            numbers = names["numbers"]
            for _ in range(6):
                consumed()
            compiled()
            self.assertEqual(list(numbers(N)), list(range(N)))
            if "HOTSPUR_EXIT_THRESHOLD" in os.environ:
                # What is recorded before it has warmed up has another shape.
                return
            ways = [x for e in hotspur.executors(numbers) for x in e.exits if x.reason == "linked" and x.hits]
            if ways:
                break
        heads = [e.number for e in hotspur.executors(numbers) if e.pc in {x.pc for x in ways}]
        self.assertTrue(heads, ways)
        for number in heads:
            hotspur._hotspur.remove_executors(number)
        for _ in range(2):
            consumed()
        compiled()
        _, counts = counted(consumed)
        self.assertGreaterEqual(counts["exits.hot"], N - 10)
        again = [e.number for e in hotspur.executors(numbers) if e.pc in {x.pc for x in ways}]
        self.assertTrue(again)
        self.assertFalse(set(again) & set(heads))


class WaysOut(Tier2Case):
    """Exits that stay cold: there is machine code that leads to tier 1."""

    def setUp(self):
        super().setUp()
        self.parameters = hotspur.parameters()
        for name, value in {"exit_threshold": 10, "alternatives": 2, "kinds": 100, "way_out_threshold": 5}.items():
            hotspur.set_parameter(name, value)

    def tearDown(self):
        for name, value in self.parameters.items():
            hotspur.set_parameter(name, value)
        super().tearDown()

    @needs_machine_code
    def test_they_are_made(self):
        before = hotspur.stats()["passages"]
        objects = kinds()
        f = fresh(megamorphic)
        expect = f(objects, N)
        for _ in range(4):
            self.assertEqual(f(objects, N), expect)
        result, counts = counted(f, objects, N)
        self.assertEqual(result, expect)
        with_them = counts["exits.cold"]
        made = hotspur.stats()["passages"] - before
        ways_out = [e for x in hotspur.executors() for e in x.exits if e.passage and e.target is None]
        self.assertGreater(sum(e.hits for e in ways_out), N // 4)
        hotspur.set_parameter("way_out_threshold", 1000000)
        f = fresh(megamorphic)
        for _ in range(5):
            self.assertEqual(f(objects, N), expect)
        before = hotspur.stats()["passages"]
        result, counts = counted(f, objects, N)
        self.assertEqual(result, expect)
        self.assertGreater(made, hotspur.stats()["passages"] - before)
        # Exits that machine code takes are counted like others.
        self.assertGreater(with_them, N // 4)
        self.assertAlmostEqual(with_them, counts["exits.cold"], delta=N // 20)

    def test_exceptions_behind_them(self):
        objects = kinds()
        for _ in range(3):
            self.assertEqual(lines(objects, N), [])
        del objects[5].x
        here = [("lines", "get(objects[i & 7], 1.0, i)"), ("get", "return o.x * i + z + o.f")]
        self.assertEqual(lines(objects, N), [(i, here, 2.0) for i in range(5, N, 8)])

    def test_what_becomes_of_classes(self):
        objects = kinds()
        expect = megamorphic(objects, N)
        for i in range(3):
            self.assertEqual(megamorphic(objects, N), expect)
        for o in objects:
            type(o).f = 0.0
        changed = megamorphic(objects, N)
        self.assertNotEqual(changed, expect)
        self.assertEqual(megamorphic(objects, N), changed)
        for i, o in enumerate(objects):
            type(o).f = 1.5 * i
        self.assertEqual(megamorphic(objects, N), expect)


def fresh(function):
    """The same function with code of its own, which nothing has been recorded from."""
    return types.FunctionType(function.__code__.replace(), globals())
