"""Executors that cost more than they gain are retired; those that gain are not."""

import unittest

import hotspur
from support import Tier2Case, counted


def tiny(value):
    return value


def long(value):
    a = value + 1
    b = a + value
    c = b + a
    d = c + b
    return -(a + b + c + d)


def worst(data, key):
    return max(data, key=key)


def calls(key):
    data = list(range(60))
    result = None
    for _ in range(200):
        result = worst(data, key)
    return result


class Losing(Tier2Case):
    def setUp(self):
        super().setUp()
        self.parameters = hotspur.parameters()
        hotspur.set_parameter("losing_interval", 500)

    def tearDown(self):
        for name, value in self.parameters.items():
            hotspur.set_parameter(name, value)
        super().tearDown()

    def test_a_key_that_does_nothing(self):
        before = hotspur.stats()["executors"]["invalidated"].get("losing", 0)
        for _ in range(6):
            self.assertEqual(calls(tiny), 59)
        self.assertGreater(hotspur.stats()["executors"]["invalidated"]["losing"], before)
        # After its second chance the place is left alone.
        calls(tiny)
        self.assertFalse([e for e in hotspur.executors(tiny) if e.is_valid()])

    def test_a_key_that_computes(self):
        for _ in range(6):
            self.assertEqual(calls(long), 0)
        _, counts = counted(calls, long)
        self.assertEqual(counts["executors.invalidated.losing"], 0)
        self.assertGreater(counts["runs"], 5000)

    def test_alternatives_are_limited(self):
        objects = [type(f"C{i}", (), {})() for i in range(60)]
        for i, o in enumerate(objects):
            o.x = i

        def f(objects):
            total = 0
            for o in objects:
                total += o.x
            return total

        hotspur.set_parameter("alternatives", 5)
        for name in ["back_edge_threshold", "exit_threshold"]:
            hotspur.set_parameter(name, 2)
        for _ in range(300):
            self.assertEqual(f(objects), sum(range(60)))
        executors = [e for e in hotspur.executors(f) if e.is_valid()]
        self.assertGreater(len(executors), 3)
        self.assertLess(len(executors), 30)


if __name__ == "__main__":
    unittest.main()
