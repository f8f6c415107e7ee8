"""Frames that are left in tier 2: what dies with them, when, and who sees it; where execution goes on."""

import sys
import unittest

import hotspur
from support import Tier2Case, counted

log = []


class Noisy:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        frame = sys._getframe(1)
        log.append((self.name, frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))


def branch(n, how):
    first = Noisy("first")
    second = Noisy("second")
    again = first
    if how % 2:
        return n + len(again.name)
    return n + len(second.name)


def calls(n, how):
    total = 0
    for i in range(n):
        total += branch(i, how + i)
    return total


def countdown(n):
    if n == 0:
        return 0
    return 1 + countdown(n - 1)


class Value:
    def __init__(self, number):
        if number % 3:
            self.number = number
        else:
            self.number = number + 1

    def __lt__(self, other):
        if self.number % 2:
            return self.number < other.number
        return not other.number <= self.number


class Returns(Tier2Case):
    def test_finalizers_see_the_caller_and_their_order_is_right(self):
        n = 3000
        for _ in range(3):
            log.clear()
            result = calls(n, 0)
            self.assertEqual(result, sum(i + (5 if i % 2 else 6) for i in range(n)))
            self.assertEqual(log, [("second", "calls", 3), ("first", "calls", 3)] * n)

    def test_returning_from_recursion_stays_in_tier_2(self):
        self.hot(lambda: [countdown(200) for _ in range(60)][-1], expect=200, share=0.8)

    def test_results_go_to_c_code(self):
        values = [Value(i * 7919 % 1000) for i in range(1000)]
        expected = sorted(v.number for v in values)
        for _ in range(5):
            result, counts = counted(lambda: [v.number for v in sorted(values)])
            self.assertEqual(result, expected)
        self.assertGreater(counts["runs"], 0)

    def test_frames_that_somebody_keeps(self):
        def kept(n, keep):
            local = [n]
            if keep:
                frames.append(sys._getframe())
            if n % 2:
                return len(local)
            return len(local) + 1

        frames = []
        for i in range(6000):
            self.assertEqual(kept(i, False), 1 if i % 2 else 2)
        for i in range(600):
            self.assertEqual(kept(i, True), 1 if i % 2 else 2)
        self.assertEqual([f.f_locals["local"] for f in frames], [[i] for i in range(600)])
        self.assertTrue(all(f.f_back is None or f.f_back.f_code is not kept.__code__ for f in frames))

    def test_of_the_first_frame_that_has_been_looked_at(self):
        """Tier 1 executes the return, and the trace goes on in the caller."""
        kept = []

        def g(n):
            frame = sys._getframe()
            total = frame.f_back.f_locals["i"]
            for i in range(n):
                total += i
            if total % 97 == 5:
                kept.append(frame)
            return total

        def f(n):
            out = []
            for i in range(n):
                out.append(g(20) == i + 190)
            return out

        self.hot(lambda n: all(f(n)), 2000, expect=True, share=0.9)
        texts = [executor.text for executor in hotspur.executors(g)]
        self.assertRegex("\n".join(texts), r"execute \d+, returns.*\n.*\n? *guard_landed code[1-9]")
        self.assertTrue(kept)
        for frame in kept:
            self.assertEqual((frame.f_locals["total"] % 97, frame.f_back.f_code), (5, f.__code__))

    def test_tools_switched_on_by_a_finalizer(self):
        class Tracer:
            def __del__(self):
                sys.settrace(lambda frame, event, arg: lines.append(frame.f_code.co_name))

        def leaves(tracer):
            mine = tracer.pop() if tracer else None
            if mine is None:
                return 1
            return 2

        def loop(n, at):
            total = 0
            for i in range(n):
                total += leaves([Tracer()] if i == at else [])
            return total

        lines = []
        for _ in range(4):
            self.assertEqual(loop(3000, -1), 3000)
        self.assertEqual(lines, [])
        self.assertEqual(loop(3000, 1000), 3001)
        sys.settrace(None)
        self.assertEqual(lines.count("leaves"), 1999)

    def test_recursion_limit_is_counted_right(self):
        def deep(n):
            return n if n == 0 else deep(n - 1)

        for _ in range(50):
            deep(300)
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(800)
        try:
            for _ in range(20):
                self.assertEqual(deep(600), 0)
                with self.assertRaises(RecursionError):
                    deep(900)
        finally:
            sys.setrecursionlimit(before)


if __name__ == "__main__":
    unittest.main()
