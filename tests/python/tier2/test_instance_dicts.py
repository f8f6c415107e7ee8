"""Attributes that instances keep in dictionaries of their own: looked up by entry, while the entry has the key."""

import os
import unittest

import hotspur
from support import Tier2Case, on_stock

N = 400


class Own(dict):
    """A dictionary that is none exactly."""


class Thing:
    def __init__(self, x):
        # Later attributes find no place among the shared keys if many instances were made meanwhile; this makes it certain.
        self.__dict__ = {"x": x, "y": 1}


class Inline:
    def __init__(self, x):
        self.x = x
        self.y = 1


def loads(things):
    total = 0
    for thing in things:
        total += thing.x + thing.y + thing.x
    return total


def stores(things):
    for thing in things:
        thing.x += 1
        thing.y = thing.x
    return sum([thing.x * 3 + thing.y for thing in things])


def interleaved(things):
    total = 0
    for thing in things:
        a = thing.x
        thing.y = a
        thing.__dict__.pop("y")
        thing.y = 2
        total += thing.x + thing.y
    return total


def moved(thing):
    thing.__dict__ = {"z": 0, "x": 5, "y": 6}


def without(thing):
    del thing.x
    thing.x = 7


def shortened(thing):
    thing.__dict__ = {"x": 9}
    thing.__dict__["y"] = 3


def another_key(thing):
    thing.__dict__[1] = 2


def derived(thing):
    thing.__dict__ = Own(x=11, y=12)


def equal_key(thing):
    thing.__dict__ = {"".join(["", "x"]): 13, "y": 14}


def emptied(thing):
    thing.__dict__.clear()
    thing.x, thing.y = 15, 16


def grown(thing):
    for i in range(300):
        setattr(thing, f"name{i}", i)


CHANGES = [moved, without, shortened, another_key, derived, equal_key, emptied, grown]


class InstanceDicts(Tier2Case):
    def test_loads_and_stores_run_in_tier_2(self):
        things = [Thing(i) for i in range(N)]
        counts = self.hot(loads, things, expect=N * (N - 1) + N, share=0.9)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertLess(counts["exits.cold"], 10)
            text = " ".join(str(e) for e in hotspur.executors(loads))
            self.assertNotIn("execute", text)
        for _ in range(6):
            stores(things)
        self.assertEqual(stores(things), sum((i + 7) * 4 for i in range(N)))

    def test_dictionaries_of_other_shapes(self):
        def run(function, change, place):
            things = [Thing(i) for i in range(N)]
            for _ in range(8):
                function(things)
            change(things[place])
            return [function(things), function(things), [dict(vars(thing)) for thing in things]]

        for function in loads, stores, interleaved:
            for change in CHANGES:
                with self.subTest(function=function.__name__, change=change.__name__):
                    self.assertEqual(run(function, change, 200), on_stock(run, function, change, 200))

    def test_attributes_that_are_missing(self):
        def missing(thing):
            del thing.x

        def run(function):
            things = [Thing(i) for i in range(N)]
            for _ in range(8):
                function(things)
            missing(things[100])
            seen = []
            for _ in range(2):
                try:
                    function(things)
                except AttributeError as error:
                    seen.append((str(error), error.obj is things[100], things[99].y, things[101].y))
            return seen

        for function in loads, stores:
            with self.subTest(function=function.__name__):
                self.assertEqual(len(run(function)), 2)
                self.assertEqual(run(function), on_stock(run, function))

    def test_instances_with_and_without(self):
        """Of one class, some keep their attributes inline, some have shown them as a dictionary, some were given another."""

        def run():
            things = [Inline(i) for i in range(N)]
            for i, thing in enumerate(things):
                if i % 3 == 1:
                    vars(thing)
                elif i % 3 == 2:
                    thing.__dict__ = {"y": 1, "x": i}
            results = [(loads(things), stores(things), interleaved(things)) for _ in range(8)]
            return results, [dict(vars(thing)) for thing in things]

        self.assertEqual(run(), on_stock(run))


class Asked(Tier2Case):
    """`x.__dict__` is an op: the dictionary is made when it is first asked for, and has the instance's attributes from then on."""

    def asked(self, function, *args, expect, helpers=True):
        self.hot(function, *args, expect=expect)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            text = "\n".join(executor.text for executor in hotspur.executors(function))
            self.assertEqual("call_helper own_dict" in text, helpers, text)

    def test_of_new_instances(self):
        def f(n):
            total = 0
            for i in range(n):
                thing = Inline(i)
                before = thing.x
                attributes = thing.__dict__
                attributes["x"] += 1
                thing.y = 5
                total += thing.x - before + attributes["y"] + (thing.__dict__ is attributes)
            return total

        self.asked(f, N, expect=7 * N)

    def test_what_is_stored_afterwards_is_in_it(self):
        """An instance without a dictionary need not tell anybody of a store; one with a dictionary has to."""

        def f(n):
            things = [Inline(0) for _ in range(n)]
            for i, thing in enumerate(things):
                thing.x = i
                attributes = thing.__dict__
                thing.x = i + 1
                thing.z = i
                if attributes != {"x": i + 1, "y": 1, "z": i}:
                    return i
                del thing.x
                attributes.update(x=3)
                if thing.x != 3 or list(thing.__dict__) != ["y", "z", "x"]:
                    return i
            return n

        self.asked(f, N, expect=N)

    def test_it_outlives_the_instance(self):
        def f(n):
            return sum([attributes["x"] for attributes in [Inline(i).__dict__ for i in range(n)]])

        self.hot(f, N, expect=sum(range(N)))

    def test_of_those_that_have_one(self):
        def f(things):
            total = 0
            for thing in things:
                total += len(thing.__dict__) + thing.x
            return total

        things = [Thing(1) for _ in range(N)]
        self.asked(f, things, expect=3 * N)
        things[3].__dict__ = Own(x=1)
        things[4].__dict__ = {"x": 5}
        self.assertEqual(f(things), 3 * N - 1 - 1 + 4)

    def test_what_is_called_like_it(self):
        """A class may say itself what it is, and what a class in C says comes before."""

        class Says:
            @property
            def __dict__(self):
                return {"said": 1}

        class Sub(Inline):
            pass

        class Fails(Exception):
            pass

        def f(things):
            return [list(thing.__dict__) for thing in things]

        for thing, expect in (Says(), ["said"]), (Sub(1), ["x", "y"]), (Fails(), []):
            self.hot(f, [thing] * N, expect=[expect] * N, share=0)

    def test_there_is_none(self):
        class Slots:
            __slots__ = ("x",)

        def f(things):
            caught = 0
            for thing in things:
                try:
                    thing.__dict__
                except AttributeError:
                    caught += 1
            return caught

        self.hot(f, [Slots()] * N, expect=N, share=0)
        self.assertEqual(f([Slots(), Inline(1)]), 1)


if __name__ == "__main__":
    unittest.main()
