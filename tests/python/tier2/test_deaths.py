"""Objects that die in superblocks: frames are shown to what runs then, and to nobody if nothing does."""

import collections
import sys
import unittest

from support import Tier2Case, needs_machine_code

N = 2000


class Attributes:
    def __init__(self, x):
        self.x = x


class Text(str):
    __slots__ = ()


Pair = collections.namedtuple("Pair", "a b")


def with_dict(i):
    made = Attributes([i])
    made.__dict__.update(y=(i, i))
    return made


def closure(i):
    return lambda: i


def shared(i):
    item = [i]
    return [item, (item, {i: item})]


MAKERS = {
    "views": lambda i: {i: i}.items(),
    "iterators": lambda i: iter({i: i}.keys()),
    "sets": lambda i: {i, str(i)},
    "iterators of sets": lambda i: iter(frozenset((i,))),
    "an instance and its dict": with_dict,
    "named tuples": lambda i: Pair(i, str(i)),
    "instances of subclasses of builtins": lambda i: Text(i),
    "closures": closure,
    "bound methods of builtins": lambda i: [i].append,
    "enumerations": lambda i: enumerate([i]),
    "maps": lambda i: map(str, [i]),
    "reversed": lambda i: reversed([i]),
    "what is referred to twice": shared,
    "long lists of numbers and text": lambda i: [*range(1000 * i, 1000 * i + 300), "a" * i, None, [i] * 60],
    "large sets of numbers and text": lambda i: {*range(1000 * i, 1000 * i + 300), "a" * i, None},
}


class Quiet(Tier2Case):
    @needs_machine_code
    def test_nothing_is_shown_to_nobody(self):
        for name, maker in MAKERS.items():
            with self.subTest(name):
                # Functions of their own, so that executors know one maker.
                scope = {"maker": maker}
                exec("def f(n):\n    for i in range(n):\n        made = maker(i)\n    return i\n", scope)
                counts = self.hot(scope["f"], N, expect=N - 1, share=0)
                self.assertLess(counts["frames_shown"], N / 10)


class Noticed(Tier2Case):
    def deaths(self, make):
        """Has `make(Noisy, i)` die in a loop; what finalizers see of the frame must be as it is there."""
        log = []

        class Noisy:
            def __init__(self, i):
                self.i = i

            def __del__(self):
                frame = sys._getframe(1)
                if frame.f_code is f.__code__:
                    log.append((self.i, frame.f_locals["i"], frame.f_locals["n"], frame.f_lineno - frame.f_code.co_firstlineno))

        def f(n):
            made = None
            for i in range(n):
                made = make(Noisy, i)
                made = None
            return i

        for _ in range(5):
            log.clear()
            self.assertEqual(f(N), N - 1)
            self.assertEqual(log, [(i, i, N, 4) for i in range(N)])

    def test_what_is_referred_to_twice_by_what_dies(self):
        def make(noisy, i):
            item = noisy(i)
            return (item, item)

        self.deaths(make)

    def test_in_several_places(self):
        def make(noisy, i):
            item = noisy(i)
            return [(item, {"a": item}), {i: [item]}]

        self.deaths(make)

    def test_in_an_instance_with_a_dict(self):
        def make(noisy, i):
            made = Attributes(noisy(i))
            made.__dict__["y"] = made.x
            return made

        self.deaths(make)

    def test_in_views_and_iterators(self):
        self.deaths(lambda noisy, i: {i: noisy(i)}.values())
        self.deaths(lambda noisy, i: iter([noisy(i)]))
        self.deaths(lambda noisy, i: enumerate([noisy(i)]))
        self.deaths(lambda noisy, i: map(str, (noisy(i),)))

    def test_in_closures(self):
        def make(noisy, i):
            item = noisy(i)
            return lambda: item

        self.deaths(make)

    def test_in_named_tuples_and_subclasses(self):
        class Items(list):
            pass

        self.deaths(lambda noisy, i: Pair(noisy(i), 1))
        self.deaths(lambda noisy, i: Items([noisy(i)]))

    def test_in_sets(self):
        self.deaths(lambda noisy, i: {noisy(i), 1})
        self.deaths(lambda noisy, i: frozenset([noisy(i)]))


if __name__ == "__main__":
    unittest.main()
