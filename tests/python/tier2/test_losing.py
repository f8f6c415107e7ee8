"""Executors that cost more than they gain are retired; those that gain are not."""

import unittest

import hotspur
from support import Tier2Case, counted, run_program


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


class WithParameters(Tier2Case):
    """Tests that set parameters."""

    def setUp(self):
        super().setUp()
        self.parameters = hotspur.parameters()

    def tearDown(self):
        for name, value in self.parameters.items():
            hotspur.set_parameter(name, value)
        super().tearDown()


class Losing(WithParameters):
    def setUp(self):
        super().setUp()
        hotspur.set_parameter("losing_interval", 500)

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

    def test_what_does_little_else_than_costly_ops(self):
        def f(n):
            result = 0
            for i in range(n):
                # Tier 1 executes the display and what unpacks it.
                first, *rest = [i, n, result]
                if rest:
                    result += first
            return result

        def losing(cost):
            hotspur.set_parameter("execute_cost", cost)
            before = hotspur.stats()["executors"]["invalidated"].get("losing", 0)
            for _ in range(6):
                self.assertEqual(f(3000), sum(range(3000)))
            return hotspur.stats()["executors"]["invalidated"].get("losing", 0) - before

        self.assertEqual(losing(0), 0)
        _, counts = counted(f, 3000)
        self.assertGreater(counts.share, 0.9)
        self.assertGreater(losing(100), 0)

    def test_many_kinds(self):
        """An attribute of objects of many classes does not keep the rest of the loop out of tier 2."""
        objects = [type(f"C{i}", (), {})() for i in range(40)]
        for i, o in enumerate(objects):
            o.x = i

        def f(objects, n):
            total = 0
            for _ in range(n):
                for o in objects:
                    total += o.x * 2 + 1
            return total

        for name in ["back_edge_threshold", "exit_threshold"]:
            hotspur.set_parameter(name, 20)
        for _ in range(20):
            self.assertEqual(f(objects, 20), 20 * (2 * sum(range(40)) + 40))
        _, counts = counted(f, objects, 20)
        self.assertGreater(counts.share, 0.9)
        self.assertLess(counts["exits.cold"], 50)
        # With room for all of them there is an executor for each.
        self.assertLess(len([e for e in hotspur.executors(f) if e.is_valid()]), 20)

    def test_functions_that_are_made_again(self):
        """What is recorded in a function that is made anew for each call serves the next one."""

        def f(n):
            def double(i):
                return i + i

            total = 0
            for i in range(n):
                total += double(i)
            return total

        for name in ["back_edge_threshold", "entry_threshold", "exit_threshold"]:
            hotspur.set_parameter(name, 5)
        for _ in range(20):
            self.assertEqual(f(50), 2450)
        _, counts = counted(lambda: [f(50) for _ in range(50)])
        self.assertLess(counts["traces.started"], 5)
        self.assertGreater(counts.share, 0.8)
        self.assertLess(counts["executors.invalidated.function_modified"], 3)

    def test_what_is_seldom_called(self):
        """A function that is called often, but seldom, is not recorded from."""

        def f(x):
            return [x, x + 1, x + 2][1]

        def g(x):
            return [x, x + 2, x + 3][1]

        rest = range(3000)

        def seldom(f, n):
            for i in range(n):
                # C code, which takes some time, and calls the function.
                sum(rest)
                min(i, i, key=f)

        hotspur.set_parameter("entry_threshold", 500)
        hotspur.set_parameter("losing_length", 0)
        hotspur.set_parameter("heat_time", 1)
        seldom(f, 2000)
        self.assertEqual(hotspur.executors(f), [])
        hotspur.set_parameter("heat_time", 100_000)
        seldom(g, 2000)
        self.assertNotEqual(hotspur.executors(g), [])

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


PARAMETERS = {
    "background": 0,
    "back_edge_threshold": 5,
    "entry_threshold": 5,
    "exit_threshold": 5,
    "alternatives": 12,
    "kinds": 4095,
}


# Not so low that everything is to be compiled at first sight.
UNFORCED = PARAMETERS | {"back_edge_threshold": 1000, "entry_threshold": 100, "exit_threshold": 100, "backoff": 9, "heat_time": 0}


class Lasting(unittest.TestCase):
    """What becomes invalid again and again is recorded more seldom each time. In processes of their own, where nothing has become invalid yet."""

    def recordings(self, worth):
        """Of a loop over methods of a class that is made each time: how many there are for 200 classes, after 200 others."""
        printed = run_program(self, LOOP, worth=worth, **PARAMETERS)
        return int(printed)

    def test_classes_made_again_and_again(self):
        self.assertLess(self.recordings(1000000), 50)

    def test_what_was_worth_it_is_recorded_again(self):
        self.assertGreater(self.recordings(0), 100)

    def test_code_made_again_and_again(self):
        """What has happened in a code object counts for the next one that looks the same."""
        # Each becomes hot some twelve times.
        lasting = lambda worth: int(run_program(self, EVALUATED, worth=worth, **UNFORCED))
        self.assertLess(lasting(1000000), 25)
        self.assertGreater(lasting(0), 100)

    def test_code_that_looks_the_same_and_lives_long(self):
        self.assertEqual(run_program(self, EVALUATED + LONG_LIVED, worth=1000000, **UNFORCED).split()[1], "True")

    def test_alternatives_that_are_of_no_use_any_more_go(self):
        executors, share = run_program(self, PHASES, worth=0, **PARAMETERS).split()
        self.assertLess(int(executors), 12)
        self.assertGreater(float(share), 0.9)


LOOP = """
def f(n):
    class C:
        def value(self, i):
            return i + 1

    c, total = C(), 0
    for i in range(n):
        total += c.value(i)
    return total

def run():
    for _ in range(200):
        assert f(60) == 60 * 61 // 2

run()
before = hotspur.stats()["traces"]["started"]
run()
print(hotspur.stats()["traces"]["started"] - before)
"""

# C code calls the function, so it is entered by itself.
EVALUATED = """
def make():
    names = {}
    exec(compile("def f(x):\\n    return -x * 3 + 1\\n", "made", "exec"), names)
    return names.pop("f")

def life(calls):
    f = make()
    assert list(map(f, range(calls))) == [1 - 3 * x for x in range(calls)]
    return f

for _ in range(30):
    life(1200)
before = hotspur.stats()["traces"]["started"]
for _ in range(200):
    life(1200)
print(hotspur.stats()["traces"]["started"] - before)
"""

LONG_LIVED = """
print(bool(hotspur.executors(life(600_000))))
"""

# Each class is recorded, and what only the first ones need goes.
PHASES = """
def f(o, n):
    total = 0
    for _ in range(n):
        total += o.x
    return total

classes = []
for i in range(30):
    classes.append(type(f"C{i}", (), {}))
    o = classes[-1]()
    o.x = i
    for _ in range(10):
        assert f(o, 1000) == 1000 * i
hotspur.set_parameter("count_instructions", 1)
before = hotspur.stats()["bytecodes"]
f(o, 1000)
after = hotspur.stats()["bytecodes"]
tier1, tier2 = (after[t] - before[t] for t in ("tier1", "tier2"))
print(len([e for e in hotspur.executors(f) if e.is_valid()]), tier2 / (tier1 + tier2))
"""


if __name__ == "__main__":
    unittest.main()
