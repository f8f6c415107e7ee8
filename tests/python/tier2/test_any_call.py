"""Calls of so many functions that there is no alternative for each: one op calls whichever it is, in an activation of its own."""

import os
import sys
import traceback
import unittest
import weakref

import hotspur
from support import Tier2Case, activations, counted, describe, on_stock

N = 4000
COUNT = 32


def functions(text="def f(n):\n    return n + {i}", **names):
    made = []
    for i in range(COUNT):
        namespace = dict(names)
        exec(text.format(i=i), namespace)
        made.append(namespace["f"])
    return made


def dispatcher():
    """One whose site has met nothing yet."""
    namespace = {}
    exec("""
def dispatch(functions, n):
    total = 0
    for i in range(n):
        total += functions[i % 32](i)
    return total
""", namespace)
    return namespace["dispatch"]


def plainly(function, *args):
    return function(*args)


class AnyCall(Tier2Case):
    def hot_calls(self, function, *args, expect, share=0.3):
        """Calls the function until it is hot. Its loop must call without leaving, whatever it calls."""
        self.hot(function, *args, expect=expect, share=share, rounds=8)
        # What is recorded at first sight begins elsewhere, and ends elsewhere.
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            ops = [op for e in hotspur.executors(function) for op in e.ops]
            self.assertTrue(any("call_helper call_any" in op for op in ops), describe(function))
        before = activations()
        result, counts = counted(function, *args)
        self.assertEqual(result, expect)
        return counts, activations() - before

    def test_functions(self):
        counts, begun = self.hot_calls(dispatcher(), functions(), N, expect=sum(i + i % 32 for i in range(N)))
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            # The loop was recorded anew: there are no alternatives in the way of the others any more.
            self.assertGreater(begun, N - 10)
            self.assertLess(counts["runs"], 10)
            self.assertEqual(counts["traces.started"], 0)
            # Nothing leads to tier 1 but the last rounds.
            self.assertLess(counts["exits.cold_by_reason.dynamic_target"], 10)

    def test_a_few_more_than_there_are_alternatives_for(self):
        """Where most of what is called has an alternative, those stay, and only what is left is called like that."""
        made = functions()[:7] * 5
        dispatch = dispatcher()
        before = hotspur.stats()["executors"]["invalidated"].get("many_kinds", 0)
        expect = dispatch(made, N)
        self.hot(dispatch, made, N, expect=expect, rounds=8)
        begun = activations()
        self.assertEqual(dispatch(made, N), expect)
        self.assertEqual(hotspur.stats()["executors"]["invalidated"].get("many_kinds", 0), before)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertLess(activations() - begun, N // 2)

    def test_what_is_not_exactly_what_the_function_takes(self):
        texts = [
            "def f(n, m=5):\n    return n + m",
            "def f(*args):\n    return args[0]",
            "def f(n, **names):\n    return n + len(names)",
            "def f(n, *, m=7):\n    return n + m",
            "def f(n):\n    m = n\n    return (lambda: m)()",
            "class f:\n    def __new__(cls, n):\n        return n",
            "class f(int):\n    def __init__(self, n):\n        self.n = n",
            "f = abs",
            "f = [].__len__\nf = type('C', (), {'m': lambda self, n: n + 2})().m",
            "f = type('C', (), {'__call__': lambda self, n: n + 3})()",
        ]
        made = [functions(text.replace("{", "{{").replace("}", "}}"))[i] for i in range(4) for text in texts][:COUNT]
        dispatch = dispatcher()
        self.hot_calls(dispatch, functions(), N, expect=sum(i + i % 32 for i in range(N)))
        expect = on_stock(dispatch, made, N)
        for _ in range(4):
            self.assertEqual(dispatch(made, N), expect)

    def test_generators(self):
        def f(functions, n):
            total = 0
            for i in range(n):
                generator = functions[i % 32](i)
                total += next(generator) + next(generator)
            return total

        made = functions("def f(n):\n    yield n\n    yield {i}")
        self.hot_calls(f, made, N, expect=sum(i + i % 32 for i in range(N)))

    def test_references_pass_to_the_callee(self):
        """What is only in the caller's operands dies when the callee lets go of it, and its count is what it is on stock."""

        class Thing:
            pass

        def f(functions, n):
            seen = []
            for i in range(n):
                kept = Thing()
                seen.append(functions[i % 32](Thing(), kept))
            return set(seen)

        text = """
def f(dying, kept):
    ref = weakref.ref(dying)
    counts = getrefcount(dying), getrefcount(kept)
    del dying
    return counts, ref() is None
"""
        made = functions(text.replace("{", "{{"), weakref=weakref, getrefcount=sys.getrefcount)
        expect = on_stock(f, made, 64)
        self.assertEqual(len(expect), 1)
        self.hot_calls(f, made, N, expect=expect)

    def test_exceptions(self):
        def f(functions, n, bad):
            caught = []
            for i in range(n):
                try:
                    functions[i % 32](0 if i in bad else 1)
                except ZeroDivisionError as error:
                    frames = traceback.extract_tb(error.__traceback__)
                    caught.append((i, [(frame.name, frame.lineno) for frame in frames]))
                except TypeError as error:
                    caught.append((i, str(error)))
            return caught

        made = functions("def f(n):\n    {i}\n    return 1 // n")
        self.hot_calls(f, made, N, frozenset(), expect=[])
        bad = {N // 2, N // 2 + 7}
        expect = on_stock(f, made, N, bad)
        self.assertEqual(len(expect), 2)
        self.assertEqual(f(made, N, bad), expect)
        made[9] = lambda: 5
        expect = on_stock(f, made, 100, bad)
        self.assertEqual(len(expect), 3)
        self.assertEqual(f(made, 100, bad), expect)

    def test_frames_that_callees_see_and_change(self):
        def f(functions, n):
            seen = total = 0
            for i in range(n):
                total += functions[i % 32](i)
                seen += i
            return total, seen

        text = """
def f(n):
    frame = getframe(1)
    if n == at[0]:
        frame.f_locals["seen"] = -1000
    return frame.f_locals["seen"] - frame.f_locals["i"] + (frame.f_lineno - frame.f_code.co_firstlineno)
"""
        at = [-1]
        made = functions(text.replace("{", "{{"), getframe=sys._getframe, at=at)
        self.hot_calls(f, made, 1000, expect=on_stock(f, made, 1000))
        at[0] = 700
        self.assertEqual(f(made, 1000), on_stock(f, made, 1000))

    def test_callees_make_the_executor_invalid(self):
        def f(functions, n):
            total = 0
            for i in range(n):
                functions[i % 32](i)
                total += helper(i)
            return total

        namespace = {"at": -1}
        exec("def helper(n):\n    return 1\ndef other(n):\n    return 2", namespace)
        f = type(f)(f.__code__, namespace)
        made = functions("def f(n):\n    if n == names['at']:\n        names['helper'] = names['other']", names=namespace)
        self.hot_calls(f, made, N, expect=N)
        namespace["at"] = 3000
        self.assertEqual(f(made, N), 3000 + 2 * 1000)

    def test_recursion(self):
        """Functions that call each other without end use no C stack, as ever, but for a few activations."""
        text = """
def f(n):
    if n == 0:
        return 0
    return functions[(n * 7 + {i}) % 32](n - 1) + 1
"""
        made = functions(text)
        for function in made:
            function.__globals__["functions"] = made

        def f(depth, n):
            total = 0
            for i in range(n):
                total += made[i % 32](depth)
            return total

        self.hot(f, 100, 200, expect=20000)
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(50000)
        try:
            self.assertEqual(f(10000, 2), 20000)
        finally:
            sys.setrecursionlimit(limit)
        for _ in range(3):
            with self.assertRaises(RecursionError):
                f(10**6, 2)
        self.assertEqual(f(100, 20), 2000)

    def test_as_deep_as_ever(self):
        def depth(n):
            try:
                return made[n % 32](n)
            except RecursionError:
                return n

        made = functions("def f(n):\n    return depth(n + 1)", depth=depth)
        expect = plainly(depth, 0)
        for _ in range(200):
            self.assertEqual(plainly(depth, 0), expect)

    def test_callees_that_take_long(self):
        """What is called once for thousands of instructions is not waited for by the recorder."""

        made = functions("def f(n):\n    total = {i}\n    for i in range(3000):\n        total += 1\n    return total + n - 3000")

        self.hot(dispatcher(), made, 320, expect=sum(i + i % 32 for i in range(320)), share=0.8, rounds=8)


if __name__ == "__main__":
    unittest.main()
