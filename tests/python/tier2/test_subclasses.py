"""Instances of subclasses of built-in types, and methods that are bound to classes, to instances, or not at all."""

import gc
import operator
import os
import random
import unittest

from support import Tier2Case, describe

N = 2000


class Items(list):
    """A list in all respects."""

    size = 0


class Counted(list):
    """A list that has a length of its own, and an iterator."""

    def __len__(self):
        return 7

    def __iter__(self):
        return iter((1, 2))


class Shape:
    sides = 4

    @classmethod
    def count(cls, n):
        return cls.sides + n

    @staticmethod
    def double(n):
        return 2 * n

    def plus(self, n):
        return self.sides + n

    @classmethod
    def with_default(cls, n, more=3):
        return cls.sides + n + more


class Triangle(Shape):
    sides = 3


def other(cls, n):
    return 100 * cls.sides + n


class Case(Tier2Case):
    def whole(self, function, *args, expect):
        """The function gets hot, and nothing of it is left to tier 1."""
        self.hot(function, *args, expect=expect, share=0.9)
        # What is recorded before tier 1 has specialized it is another matter.
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertNotIn("execute ", describe(function))


class Subclasses(Case):
    def test_items(self):
        def f(n):
            items = Items()
            total = 0
            for i in range(n):
                items.append(i)
                items.insert(0, i)
                total += len(items)
                total += items.pop(0) - items.pop()
                items.append(i)
            for x in items:
                total += x
            return total

        self.whole(f, N, expect=sum(range(1, N + 1)) + N + sum(range(N)))

    def test_many_are_made(self):
        def f(n):
            total = 0
            for i in range(n):
                items = Items()
                items.append(i)
                for x in items:
                    total += x
            return total

        self.whole(f, N, expect=sum(range(N)))

    def test_a_length_and_an_iterator_of_its_own(self):
        def f(n, items):
            total = 0
            for _ in range(n):
                total += len(items)
                for x in items:
                    total += x
            return total

        self.hot(f, N, Counted([5, 5, 5]), expect=10 * N, share=0.5)
        self.assertEqual(f(N, Items([1])), 2 * N)

    def test_a_class_gets_a_length(self):
        class Growing(list):
            pass

        def f(n, items):
            total = 0
            for _ in range(n):
                total += len(items)
            return total

        items = Growing([1, 2])
        self.hot(f, N, items, expect=2 * N, share=0.9)
        Growing.__len__ = lambda self: 5
        self.assertEqual(f(N, items), 5 * N)
        del Growing.__len__
        self.assertEqual(f(N, items), 2 * N)

    def test_a_class_gets_an_init(self):
        class Plain(list):
            pass

        def f(n):
            total = 0
            for _ in range(n):
                total += len(Plain())
            return total

        self.hot(f, N, expect=0, share=0.9)
        Plain.__init__ = lambda self: self.append(1)
        self.assertEqual(f(N), N)


class Methods(Case):
    def test_class_method_of_a_class(self):
        def f(n):
            total = 0
            for i in range(n):
                total += Shape.count(i) + Triangle.count(1)
            return total

        self.whole(f, N, expect=sum(range(N)) + 8 * N)

    def test_class_method_of_an_instance(self):
        def f(n, shape):
            total = 0
            for i in range(n):
                total += shape.count(i)
            return total

        self.whole(f, N, Triangle(), expect=sum(range(N)) + 3 * N)
        self.assertEqual(f(N, Shape()), sum(range(N)) + 4 * N)
        shape = Triangle()
        shape.count = lambda n: 1
        self.assertEqual(f(N, shape), N)

    def test_default(self):
        def f(n):
            total = 0
            for i in range(n):
                total += Triangle.with_default(i)
            return total

        self.whole(f, N, expect=sum(range(N)) + 6 * N)

    def test_static_method(self):
        def f(n, shape):
            total = 0
            for i in range(n):
                total += Shape.double(i) + shape.double(1)
            return total

        self.whole(f, N, Shape(), expect=2 * sum(range(N)) + 2 * N)

    def test_kept_bound_method(self):
        def f(n, shape):
            total = 0
            kept = []
            for i in range(n):
                plus = shape.plus
                if i % 100 == 0:
                    kept.append(plus)
                total += plus(i) + plus(1)
            return total + sum(method(0) for method in kept)

        self.hot(f, N, Triangle(), expect=sum(range(N)) + 7 * N + 3 * (N // 100), share=0.8)

    def test_class_method_changes(self):
        class C:
            sides = 2

            @classmethod
            def count(cls, n):
                return cls.sides + n

        def f(n):
            total = 0
            for i in range(n):
                total += C.count(i)
            return total

        self.hot(f, N, expect=sum(range(N)) + 2 * N, share=0.9)
        # No version changes, and no dictionary.
        C.__dict__["count"].__init__(other)
        self.assertEqual(f(N), sum(range(N)) + 200 * N)
        C.count = classmethod(lambda cls, n: 1)
        self.assertEqual(f(N), N)
        C.count = staticmethod(lambda n: 2)
        self.assertEqual(f(N), 2 * N)

    def test_class_method_raises(self):
        class C:
            @classmethod
            def check(cls, n):
                if n > 1900:
                    raise ValueError(n)
                return n

        def f(n):
            total = 0
            for i in range(n):
                try:
                    total += C.check(i)
                except ValueError as error:
                    total -= error.args[0]
            return total

        self.hot(f, N, expect=sum(range(1901)) - sum(range(1901, N)))

    def test_random(self):
        def f(seed, n):
            generator = random.Random(seed)
            getrandbits = generator.getrandbits
            total = 0
            for _ in range(n):
                total += getrandbits(8) + generator.randrange(10) + int(generator.random() * 10)
            return total

        expect = f(5, N)
        self.hot(f, 5, N, expect=expect, share=0.8)
        self.assertIn("bind_builtin", describe(f) + describe(random.Random._randbelow_with_getrandbits))

    def test_bound_method_of_a_list(self):
        def f(n):
            total = 0
            for i in range(n):
                items = []
                append = items.append
                append(i)
                append(1)
                total += len(items) + items[0]
            return total

        self.whole(f, N, expect=sum(range(N)) + 2 * N)

    def test_a_class_that_is_a_parameter(self):
        def make(cls, n):
            shape = cls()
            return shape.plus(n) if isinstance(shape, cls) else 0

        def f(n, cls):
            total = 0
            for i in range(n):
                total += make(cls, i) + cls.count(1)
            return total

        class Square(Shape):
            def __init__(self):
                super().__init__()
                self.more = 1

            def plus(self, n):
                return super().plus(n) + self.more

        class Hexagon(Square):
            sides = 6

        self.whole(f, N, Square, expect=sum(range(N)) + 10 * N)
        self.assertEqual(f(N, Hexagon), sum(range(N)) + 14 * N)
        Square.sides = 5
        self.assertEqual(f(N, Square), sum(range(N)) + 12 * N)

    def test_classes_at_the_same_address(self):
        def f(n, cls):
            total = 0
            for i in range(n):
                total += cls().value(i)
            return total

        def new_class(k):
            class C:
                def __init__(self):
                    self.k = k

                def value(self, i):
                    return self.k * i

            return C

        for k in range(1, 40):
            self.assertEqual(f(N, new_class(k)), k * sum(range(N)))
            gc.collect()

    def test_index(self):
        class Index:
            def __index__(self):
                return 3

        def f(n, x):
            index = operator.index
            total = 0
            for i in range(n):
                total += index(i) + index(x)
            return total

        self.hot(f, N, 1, expect=sum(range(N)) + N, share=0.9)
        self.assertEqual(f(N, Index()), sum(range(N)) + 3 * N)


if __name__ == "__main__":
    unittest.main()
