"""While tracemalloc looks at the frames of each allocation, no executor runs."""

import tracemalloc
import unittest

import hotspur
from support import Tier2Case

N = 1500


def leaf(i):
    return [i]


def middle(i):
    return leaf(i)


def outer(n):
    return [middle(i) for i in range(n)]


def switched_on(n, when):
    kept = []
    for i in range(n):
        if i == when:
            tracemalloc.start(8)
        kept.append(middle(i))
    return kept


def names_of(what):
    """The functions in which an object was made, the innermost first."""
    lines = tracemalloc.get_object_traceback(what)
    return [] if lines is None else [line.lineno for line in reversed(list(lines)) if line.filename == __file__]


LEAF, MIDDLE = (f.__code__.co_firstlineno + 1 for f in (leaf, middle))


class Tracemalloc(Tier2Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(tracemalloc.stop)

    def is_exact(self, what):
        self.assertEqual(names_of(what)[:2], [LEAF, MIDDLE])

    def test_frames_are_there(self):
        self.hot(outer, N, expect=[[i] for i in range(N)])
        before = hotspur.stats()["entries"]
        tracemalloc.start(8)
        # The first ones are old lists, made before anybody looked.
        for made in outer(N)[100:]:
            self.is_exact(made)
        # The call that reads the numbers, and what switches it on, may have entered some.
        self.assertLess(hotspur.stats()["entries"] - before, 20)
        tracemalloc.stop()
        self.hot(outer, N, expect=[[i] for i in range(N)])

    def test_switched_on_in_a_trace(self):
        self.hot(switched_on, N, -1, expect=[[i] for i in range(N)])
        when = N // 2
        for i, made in enumerate(switched_on(N, when)):
            if i >= when + 100:
                self.is_exact(made)
            elif i < when:
                self.assertEqual(names_of(made), [])


if __name__ == "__main__":
    unittest.main()
