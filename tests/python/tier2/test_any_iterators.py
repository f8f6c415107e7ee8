"""Loops over iterators of which nothing is known: the next item is asked for by an op of its own. Whatever code that runs sees frames as they are at
the loop's head, and what it changes is noticed."""

import collections
import dis
import functools
import itertools
import re
import sys
import traceback
import unittest

from support import Tier2Case, describe, dying

N = 1500
TEXT = "a1 b22 c333 "


class Iterators(Tier2Case):
    def loops(self, function, *args, expect, share=0.8, helper="next"):
        """The function, whose loops are in executors, is called until it is hot. Nothing of the loops is left to tier 1."""
        counts = self.hot(function, *args, expect=expect, share=share)
        text = describe(function)
        self.assertIn(f"call_helper {helper},", text)
        for i in dis.get_instructions(function):
            if i.opname in ("FOR_ITER", "GET_ITER"):
                self.assertNotIn(f"execute {i.offset // 2},", text)
        return counts

    def test_iterators_of_c(self):
        def f(n):
            total = 0
            queue = collections.deque([1, 2, 3])
            table = {1: 2, 3: 4}
            for i in range(n):
                for x in map(abs, (i, -i)):
                    total += x
                for x, y in itertools.product((1, 2), (3, i)):
                    total += x * y
                for x in itertools.chain([1, 2], (i,)):
                    total += x
                for x in filter(None, [0, i, 2]):
                    total += x
                for x in queue:
                    total += x
                for x in reversed(table):
                    total += x
                for match in re.finditer(r"\d+", TEXT):
                    total += len(match.group())
            return total

        self.loops(f, N, expect=sum(2 * i + 9 + 3 * i + 3 + i + 2 + i + 6 + 4 + 6 for i in range(N)))

    def test_iter_of_what_is_not_known(self):
        class Given:
            def __init__(self, items):
                self.items = items

            __iter__ = functools.partialmethod(lambda self: iter(self.items))

        def f(n):
            total = 0
            for i in range(n):
                for x in Given([1, i]):
                    total += x
                for x in iter([i, 2, 3].pop, i):
                    total += x
            return total

        self.hot(f, N, expect=sum(1 + i + (5 if i not in (2, 3) else 3 * (i == 2)) for i in range(N)), share=0.8)
        self.assertIn("call_helper get_iter,", describe(f))

    def test_that_go_on_after_their_end(self):
        class Again:
            """Yields two items, ends, and goes on when it is asked again. That it is Python code is not to be seen at once."""

            def __init__(self):
                self.count = 0

            def __iter__(self):
                return self

            def step(self):
                self.count += 1
                if self.count % 3 == 0:
                    raise StopIteration
                return self.count

            __next__ = functools.partialmethod(step)

        def f(n):
            again = Again()
            total = 0
            for i in range(n):
                for x in again:
                    total += x
                if again.count != 3 * i + 3:
                    return i
            return total

        self.loops(f, N, expect=sum(6 * i + 3 for i in range(N)))

    def test_what_is_seen_and_changed(self):
        seen = []
        setting = [1]

        def look(x):
            frame = sys._getframe(1)
            seen.append((frame.f_lineno - frame.f_code.co_firstlineno, frame.f_locals["total"], frame.f_locals["x"]))
            if x % 50 == 0:
                frame.f_locals["total"] += 1000
                setting[0] += 1
            return x

        def f(n):
            total = x = 0
            for x in map(look, range(n)):
                total += x * setting[0]
            return total

        def simulated(n):
            total, by, before, lines = 0, 1, 0, []
            for x in range(n):
                lines.append((2, total, before))
                if x % 50 == 0:
                    total += 1000
                    by += 1
                total, before = total + x * by, x
            lines.append((2, total, before))
            return total, lines[:-1]

        expect, lines = simulated(N)
        for _ in range(6):
            seen.clear()
            setting[0] = 1
            self.assertEqual(f(N), expect)
            self.assertEqual(seen, lines)
        seen.clear()
        setting[0] = 1
        with self.running(f):
            self.assertEqual(f(N), expect)
        self.assertEqual(seen, lines)

    def test_globals_that_change(self):
        space = {"by": 1, "map": map, "range": range}
        exec("def step(x):\n    global by\n    if x % 400 == 399: by += 1\n    return x\n"
             "def f(n):\n    total = 0\n    for x in map(step, range(n)):\n        total += by\n    return total", space)
        expect = sum(1 + (x + 1) // 400 for x in range(N))
        for _ in range(6):
            space["by"] = 1
            self.assertEqual(space["f"](N), expect)
        space["by"] = 1
        with self.running(space["f"]):
            self.assertEqual(space["f"](N), expect)

    def test_exceptions(self):
        def fail(x):
            if x == N - 3:
                raise KeyError(x)
            return x

        def f(n):
            total = 0
            for x in map(fail, range(n)):
                total += x
            return total

        def caught(n):
            try:
                return f(n)
            except KeyError as error:
                lines = [frame.lineno - f.__code__.co_firstlineno for frame in traceback.extract_tb(error.__traceback__)]
                return error.args, lines[1]

        for _ in range(6):
            self.assertEqual(caught(N), ((N - 3,), 2))
        with self.running(f):
            self.assertEqual(caught(N), ((N - 3,), 2))

    def test_deaths(self):
        """The iterator dies at the loop's head, with the locals as they are then."""
        log = []
        Dying = dying(log, lambda v: (v.get("i"), v.get("x")))

        def f(n):
            x = None
            for i in range(n):
                for x in map(lambda x, _: x, [1, i], itertools.repeat(Dying(i))):
                    pass
            return len(log)

        for _ in range(6):
            log.clear()
            self.assertEqual(f(N), N)
            self.assertEqual(log, [(i, 3, i, i) for i in range(N)])

    def test_tools_that_are_switched_on(self):
        events = []

        def tool(frame, event, arg):
            if frame.f_code is f.__code__:
                events.append((event, frame.f_lineno - frame.f_code.co_firstlineno))
            return tool

        def start(x):
            if x == 1200:
                sys._getframe(1).f_trace = tool
                sys.settrace(tool)
            return x

        def f(n):
            total = 0
            for x in map(start, range(n)):
                total += x
                if x == 1202:
                    sys.settrace(None)
            return total

        for _ in range(6):
            events.clear()
            self.assertEqual(f(N), sum(range(N)))
            self.assertEqual(events, [("line", line) for line in (3, 4, 2, 3, 4, 2, 3, 4, 5)])


if __name__ == "__main__":
    unittest.main()
