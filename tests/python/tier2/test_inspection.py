"""What `hotspur.executors` and `hotspur.stats` show, and that it is so."""

import inspect
import unittest

import hotspur
from hotspur._inspection import table
from support import COMPILES, UsualThresholds, compiled, counted, describe

N = 3000


def make(text):
    """The function `f` of a piece of source, which no other test has executed."""
    namespace = {}
    exec(text, namespace)
    return namespace["f"]


LOOP = "def f(n):\n    i = 0\n    while i < n:\n        i += 1\n    return i\n"
BRANCH = "def f(n, at):\n    i = a = 0\n    while i < n:\n        i += 1\n        if i % 64 == at: a += 1\n    return a\n"


class Executors(UsualThresholds):
    def test_a_sequence_of_micro_ops(self):
        f = make(LOOP)
        self.hot(f, N, expect=N)
        [executor] = hotspur.executors(f)
        self.assertGreater(executor.runs, 0)
        self.assertGreaterEqual(len(executor), 4)
        self.assertEqual(list(executor), executor.ops)
        self.assertEqual([executor[i] for i in range(len(executor))], executor.ops)
        self.assertEqual((executor[-1], executor[1:3]), (executor.ops[-1], executor.ops[1:3]))
        self.assertTrue(executor[-1].startswith("jump_loop"), executor.text)
        self.assertIn(executor[0], executor)
        self.assertEqual(executor[0], next(iter(executor)))
        with self.assertRaises(IndexError):
            executor[len(executor)]
        # Nothing but micro-ops: they are the lines with an op's name, after what they define.
        for op in executor:
            self.assertRegex(op, r"^(v\d+(: \S+)? = )?[a-z][a-z0-9_]*\b")
        self.assertIn(f"{len(executor)} micro-ops", repr(executor))

    def test_by_function_or_code_or_all(self):
        f = make(LOOP)
        self.hot(f, N, expect=N)
        numbers = [e.number for e in hotspur.executors(f)]
        self.assertEqual(len(numbers), 1)
        self.assertEqual([e.number for e in hotspur.executors(func=f)], numbers)
        self.assertEqual([e.number for e in hotspur.executors(f.__code__)], numbers)
        for everything in hotspur.executors(), hotspur.executors(None), hotspur.executors(func=None):
            self.assertIn(numbers[0], [e.number for e in everything])
        self.assertEqual(hotspur.executors(make(LOOP)), [])
        self.assertEqual(str(inspect.signature(hotspur.executors)), "(func=None)")

    def test_exits(self):
        f = make(BRANCH)
        threshold = self.USUAL["exit_threshold"]
        for _ in range(6):
            self.assertEqual(f(N, 64), 0)
        compiled()
        [executor] = hotspur.executors(f)
        before = [(e.reason, e.pc, e.hits, e.temperature) for e in executor.exits]
        # Not in the first round, which is tier 1's. Each round in which the branch is taken takes an exit, cold as yet.
        self.assertEqual(f(64 * 10, 5), 10)
        [executor] = hotspur.executors(f)
        changed = [(old, new) for old, new in zip(before, executor.exits) if old[2] != new.hits and old[0] == "other_branch"]
        taken = [(old, new) for old, new in changed if new.hits - old[2] == 10]
        self.assertEqual(len(taken), 1, executor.text)
        [(old, exit)] = taken
        self.assertEqual((exit.reason, exit.pc), old[:2])
        self.assertEqual((old[3], exit.temperature), (threshold - 1, threshold - 11))
        self.assertIsNone(exit.target)
        self.assertIn("exit to tier 1", repr(exit))
        # Then it is hot, and leads on.
        self.assertEqual(f(64 * 400, 5), 400)
        compiled()
        self.assertEqual(f(64 * 50, 5), 50)
        executors = hotspur.executors(f)
        [exit] = [e for x in executors if x.number == executor.number for e in x.exits if (e.reason, e.pc) == old[:2] and e.hits > 10]
        self.assertIn(exit.target, [e.number for e in executors])
        self.assertNotEqual(exit.target, executor.number)
        self.assertIn(f"exit to executor {exit.target}", repr(exit))
        [target] = [e for e in executors if e.number == exit.target]
        self.assertGreater(target.runs, 50)
        self.assertTrue(target.is_valid())

    def test_sizes(self):
        f = make(LOOP)
        self.hot(f, N, expect=N)
        [executor] = hotspur.executors(f)
        if COMPILES:
            self.assertLess(0, executor.exit_size)
            self.assertLess(executor.exit_size, executor.code_size)
        else:
            self.assertEqual((executor.code_size, executor.exit_size), (0, 0))


class Stats(UsualThresholds):
    def test_shares_are_of_what_was_executed_while_it_was_counted(self):
        f = make(LOOP)
        self.hot(f, N, expect=N)
        _, counts = counted(f, N)
        self.assertGreater(counts["bytecodes.tier2"], N)
        share = hotspur.stats()["share"]
        self.assertEqual(sorted(share), ["tier1", "tier2"])
        self.assertAlmostEqual(sum(share.values()), 1)
        self.assertTrue(0 < share["tier1"] < 1, share)

        def both():
            flat = hotspur._hotspur.tier2_stats()
            return flat["counted_tier1"], flat["counted_tier2"]

        before = both()
        self.assertEqual(f(N), N)
        after = both()
        # Not counted while it is off, not in tier 2 either.
        hotspur.set_parameter("count_instructions", 0)
        off = both()
        self.assertEqual(f(N), N)
        self.assertEqual(both(), off)
        hotspur.set_parameter("count_instructions", 1)
        self.assertEqual(f(N), N)
        on = both()
        for counted_before, counted_after in (before, after), (off, on):
            self.assertGreater(counted_after[0], counted_before[0])
            self.assertGreaterEqual(counted_after[1] - counted_before[1], 4 * (N - 2))
            self.assertLessEqual(counted_after[1] - counted_before[1], 10 * N)

    def test_both_tiers_together_execute_what_tier_1_does_alone(self):
        f = make(BRANCH)
        for _ in range(6):
            self.assertEqual(f(N, 1), N // 64 + 1)
        compiled()
        _, together = counted(f, N, 1)
        self.assertGreater(together["runs"], 0)
        self.assertGreater(together["bytecodes.tier2"], together["bytecodes.tier1"])
        g = make(BRANCH)
        before = hotspur.parameters()["back_edge_threshold"]
        hotspur.set_parameter("back_edge_threshold", 4095)
        self.addCleanup(hotspur.set_parameter, "back_edge_threshold", before)
        # Warmed up, and not hot.
        g(20, 1)
        _, alone = counted(g, N, 1)
        self.assertEqual(hotspur.executors(g), [])
        total = together["bytecodes.tier1"] + together["bytecodes.tier2"]
        self.assertAlmostEqual(total / alone["bytecodes.tier1"], 1, delta=0.02)

    def test_micro_ops(self):
        f = make(LOOP)
        self.hot(f, N, expect=N)
        [executor] = hotspur.executors(f)
        in_loop = executor.ops[[op.startswith("enter_loop") for op in executor].index(True) + 1 :]
        def more():
            few, many = counted(f, N)[1], counted(f, N + 1000)[1]
            # (Whoever calls may be hot as well.)
            return few, many, few["runs"] == many["runs"] and many["micro_ops"] - few["micro_ops"] == 1000 * len(in_loop)

        # A thousand rounds more are as many times the loop; unless another thread wanted to run in between.
        few, many, is_so = next((found for found in (more() for _ in range(10)) if found[2]), more())
        self.assertTrue(is_so, (few["runs"], many["runs"], few["micro_ops"], many["micro_ops"], len(in_loop), describe(f)))
        self.assertLess(few["runs"], 5, describe(f))
        self.assertLess(few["micro_ops"], (N + 1) * len(in_loop) + len(executor) + 500)

    def test_what_is_swept_is_invalidated(self):
        f = make(LOOP)
        self.hot(f, N, expect=N)
        before = hotspur.stats()["executors"]
        hotspur._hotspur.sweep_executors()
        swept = hotspur._hotspur.sweep_executors()
        after = hotspur.stats()["executors"]
        self.assertGreaterEqual(swept, 1)
        self.assertEqual(hotspur.executors(f), [])
        self.assertGreaterEqual(after["swept"] - before["swept"], swept)
        self.assertEqual(after["swept"], after["invalidated"]["cold"])

    def test_the_table(self):
        stats = {"a": 1234, "none": 0, "share": None, "b": {"c": 0.5, "d": {"e": 1}}, "empty": {}}
        lines = table(stats).splitlines()
        self.assertEqual(lines[0].split(), ["a", "1,234"])
        self.assertIn("HOTSPUR_COUNT_INSTRUCTIONS=1", lines[1])
        self.assertEqual([line.split() for line in lines[2:]], [["b"], ["c", "0.500000"], ["d"], ["e", "1"]])
        self.assertEqual(len({len(line) for line in (lines[0], lines[3], lines[5])}), 1)


if __name__ == "__main__":
    unittest.main()
