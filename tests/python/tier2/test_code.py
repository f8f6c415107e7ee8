"""Machine code: what there is of it."""

import os

import hotspur
from support import Tier2Case


class Sizes(Tier2Case):
    def test_exits_are_small(self):
        class Point:
            def __init__(self, x, y):
                self.x, self.y = x, y

            def moved(self, dx, dy):
                return Point(self.x + dx, self.y + dy)

        def f(n):
            p = Point(0, 0.5)
            seen = []
            for i in range(n):
                p = p.moved(i % 3, 0.25)
                if p.x % 5 == 0:
                    seen.append(p)
            return len(seen)

        f(10)
        expect = f(3000)
        self.hot(f, 3000, expect=expect)
        executors = [e for e in hotspur.executors() if e.code_size]
        if os.environ["HOTSPUR_ENGINE"] == "interp":
            self.assertEqual(executors, [])
            return
        exits = sum(len(e.exits) for e in executors)
        self.assertGreater(exits, 50)
        self.assertLessEqual(sum(e.exit_size for e in executors) / exits, 36)
        for executor in executors:
            self.assertLess(executor.exit_size, executor.code_size)
