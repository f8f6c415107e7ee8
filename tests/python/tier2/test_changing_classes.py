"""Classes that were changed so often that they get no versions any more: nothing about their instances can be guarded, so traces look attributes up, where
the keys of the classes say that they are."""

import os
import unittest

import hotspur
from support import Tier2Case, describe

N = 3000


def tire(cls):
    for i in range(3000):
        cls.count = i
        cls.count


class ChangingClasses(Tier2Case):
    def setUp(self):
        super().setUp()

        class Base:
            count = 0
            kind = 2

            def __init__(self, n):
                self.n = n
                Base.count += 1

            def get(self):
                return self.n

        class Derived(Base):
            __slots__ = ("slot",)

            def __init__(self, n):
                super().__init__(n)
                self.slot = n

        self.base, self.derived = Base, Derived
        tire(Base)

    def uses(self, function, helper):
        ops = [op for e in hotspur.executors(function) for op in e.ops]
        self.assertTrue(any(f"call_helper {helper}" in op for op in ops), describe(function))

    def test_attributes(self):
        def f(o, cls, n):
            total = 0
            for _ in range(n):
                total += o.n + o.slot + o.kind + cls.kind + (o.__class__ is cls)
            return total

        o = self.derived(1)
        counts = self.hot(f, o, self.derived, N, expect=7 * N, share=0.98)
        self.uses(f, "any_attribute")
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            # Each round's attributes are looked up without leaving the trace, or having tier 1 look.
            self.assertLess(counts["instructions.LOAD_ATTR"], N / 10)
            self.assertLess(counts["exits.cold"] + counts["exits.hot"], N / 10)
        self.base.kind = 3
        self.assertEqual(f(o, self.derived, N), 9 * N)
        self.derived.kind = 4
        self.assertEqual(f(o, self.derived, N), 11 * N)
        o.kind = 5
        self.derived.n = property(lambda self: 0)
        self.assertEqual(f(o, self.derived, N), 11 * N)
        del self.derived.n, self.derived.kind, self.base.kind
        self.assertRaises(AttributeError, f, o, self.derived, N)

    def test_instances(self):
        """What makes, changes and calls them is followed as far as nothing has to be known of the classes."""

        def f(cls, n):
            total = 0
            for i in range(n):
                o = cls(i)
                o.n = o.get() + 1
                total += o.n
            return total

        before = self.base.count
        for cls in (self.base, self.derived):
            self.hot(f, cls, N, expect=N * (N + 1) // 2, share=0.4)
        made = self.base.count - before
        self.assertEqual(made % N, 0)
        self.base.get = lambda self: 0
        self.assertEqual(f(self.derived, N), N)
        self.derived.get = lambda self: 1
        self.assertEqual(f(self.derived, N), 2 * N)
        self.assertEqual(self.base.count - before, made + 2 * N)


if __name__ == "__main__":
    unittest.main()
