"""Instances of small classes: they die and are made again, of other classes, too, and the collector knows of each. Run under `hotspur` with
tier 2 on."""

import gc
import os
import unittest
import weakref

import hotspur

from support import Tier2Case, UsualThresholds, describe, on_stock

N = 3000


class Small:
    def __init__(self, x):
        self.x = x


class Other:
    def __init__(self, x):
        self.b = x
        self.a = None
        self.b = x + 1


class Wide:
    def __init__(self, x):
        self.a = self.b = self.c = self.d = self.e = self.f = x


class Instances(Tier2Case):
    def test_one_class_after_another(self):
        """What a dead instance leaves is used for an instance of another class, of as many attributes or more."""
        def f(n):
            small = [Small(i) for i in range(40)]
            total = 0
            for i in range(n):
                k = i % 40
                total += small[k].x
                small[k] = Other(i)
                small[k] = Wide(small[k].b)
                small[k] = Small(small[k].f)
            return total

        expect = sum(i if i < 40 else i - 39 for i in range(N))
        self.hot(f, N, expect=expect, share=0.3)

    def test_attributes_are_absent_at_first_and_come_in_order(self):
        class Late:
            def __init__(self, i):
                if i % 2:
                    self.a = i
                    self.b = i
                else:
                    self.b = i
                    self.a = i

        def f(n):
            kept = [None] * 50
            lacking = 0
            for i in range(n):
                kept[i % 50] = late = Late(i)
                lacking += not hasattr(late, "c")
                if i % 3 == 0:
                    late.c = i
            return lacking, [list(late.__dict__) for late in kept]

        ab = [["a", "b"] if i % 2 else ["b", "a"] for i in range(N - 50, N)]
        expect = N, [order + ["c"] * (i % 3 == 0) for i, order in zip(range(N - 50, N), ab)]
        self.hot(f, N, expect=expect, share=0.3)

    def test_a_dictionary_that_has_the_attributes_too(self):
        def f(n):
            kept = [None] * 50
            for i in range(n):
                small = Small(i)
                if i % 7 == 0:
                    vars(small)
                small.y = i
                kept[i % 50] = small
            return [vars(small) for small in kept]

        self.hot(f, N, expect=[{"x": i, "y": i} for i in range(N - 50, N)], share=0.3)

    def test_the_collector_knows_them(self):
        """New ones are tracked and counted; collections happen as often as on stock, and cycles among instances are found."""
        def f(n):
            kept = [None] * 50
            for i in range(n):
                kept[i % 50] = Small(Small(i))
            return kept

        def tracked(n):
            return all(gc.is_tracked(small) and gc.is_tracked(small.x) for small in f(n))

        self.hot(tracked, N, expect=True, share=0.3)
        gc.collect()
        among = {id(o) for o in gc.get_objects() if isinstance(o, Small)}
        kept = f(N)
        among = {id(o) for o in gc.get_objects() if isinstance(o, Small)} - among
        self.assertLessEqual({id(small) for small in kept} | {id(small.x) for small in kept}, among)

        def cycles(n):
            for i in range(n):
                small = Small(i)
                small.x = small
            return small

        self.hot(lambda n: cycles(n).x is not None, N, expect=True, share=0.3)
        ref = weakref.ref(cycles(N))
        collections = gc.get_stats()[0]["collections"]
        cycles(20 * max(gc.get_threshold()[0], 1))
        self.assertGreaterEqual(gc.get_stats()[0]["collections"], collections + 15)
        gc.collect()
        self.assertIsNone(ref())
        self.assertLess(sum(isinstance(o, Small) for o in gc.get_objects()), 1000)

    def test_the_count_of_the_youngest_generation(self):
        """It says how many there are more than at the last collection, also while the collector is off."""
        kept = []

        def f(n):
            for i in range(n):
                Wide(i)
                kept.append(Small(i))
            return len(kept)

        gc.collect()
        gc.disable()
        try:
            for _ in range(6):
                kept.clear()
                before = gc.get_count()[0]
                self.assertEqual(f(N), N)
                self.assertAlmostEqual(gc.get_count()[0] - before, N, delta=100)
        finally:
            gc.enable()

    def test_they_die_with_lists_and_tuples(self):
        """And what somebody else has lives on, whatever the order."""
        def f(n):
            kept = []
            total = 0
            for i in range(n):
                smalls = [Small(i), (Small([i]), Other(i)), i / 2, None, [Wide(i)] * 3]
                if i % 100 == 0:
                    kept.append(smalls[4][0])
                    kept.append(smalls[1][0])
                total += g(smalls)
            return total, [type(x).__name__ for x in kept], kept[-1].x, kept[-2].f

        def g(smalls):
            smalls, other = list(smalls), smalls
            return len(smalls[4]) + other[1][1].b - smalls[0].x

        names = ["Wide", "Small"] * (N // 100)
        self.hot(f, N, expect=(4 * N, names, [N - 100], N - 100), share=0.3)


class Vector:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __sub__(self, other):
        if other.is_vector():
            return Vector(self.x - other.x, self.y - other.y)
        return None

    def is_vector(self):
        return True

    def dot(self, other):
        return self.x * other.x + self.y * other.y

    def scale(self, factor):
        return Vector(self.x * factor, self.y * factor)

    def normalized(self):
        return self.scale(1 / self.dot(self) ** 0.5)


class Ray:
    def __init__(self, point, vector):
        self.point = point
        self.vector = vector.normalized()


class Disc:
    def __init__(self, centre):
        self.centre = centre

    def distance(self, ray):
        to = self.centre - ray.point
        return to.dot(to) - to.dot(ray.vector) ** 2


class Chains(UsualThresholds):
    """Instances that are made of others, which die in between, by methods that call methods."""

    # The loop is hot before the methods are, which are called more than once in each round.
    USUAL = UsualThresholds.USUAL | {"back_edge_threshold": 200}

    def f(self):
        def f(n, disc):
            total = 0.0
            for i in range(n):
                total += disc.distance(Ray(Vector(i * 0.5, i + 0.5), Vector(i + 1.5, i * 2.5) - Vector(i * 0.25, 0.5 - i)))
            return total

        return f

    def test_none_is_built(self):
        f, disc = self.f(), Disc(Vector(3.5, -1.0))
        self.hot(f, N, disc, expect=f(N, disc), share=0.9)
        if "HOTSPUR_STOP_EVERY" not in os.environ and os.environ.get("HOTSPUR_PASSES", "all") == "all":
            loops = [e.text[e.text.index("\nloop ") :] for e in hotspur.executors(f) if "jump_loop" in e.text]
            self.assertTrue(loops, describe(f))
            for text in loops:
                self.assertNotIn("new_instance", text[: text.index("\n}")])

    def test_the_class_changes(self):
        """Between rounds, and while a method runs: another method is called from then on, and other keys are met."""
        disc = Disc(Vector(3.5, -1.0))

        class Meddler:
            def __init__(self, at, do):
                self.at, self.do = at, do

            def __rmul__(self, i):
                if i == self.at:
                    self.do()
                return i * 0.5

        def f(n, half):
            total = 0.0
            for i in range(n):
                here = Vector(i * 0.5, 2.0)
                there = Vector(i * half, 2.5)
                total += disc.distance(Ray(here, there - here)) + there.is_vector()
            return total

        before = Vector.is_vector
        changes = [
            (lambda: setattr(Vector, "is_vector", lambda self: 5), lambda: setattr(Vector, "is_vector", before)),
            (lambda: setattr(disc.centre, f"attribute{len(vars(disc.centre))}", 1), lambda: None),
        ]
        for do, undo in changes:
            for _ in range(4):
                results = []
                for again in range(2):
                    run = on_stock if again else (lambda f, *args: f(*args))
                    results.append(run(f, 300, Meddler(200, do)))
                    undo()
                self.assertEqual(*results)


if __name__ == "__main__":
    unittest.main()
