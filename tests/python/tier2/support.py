"""What tests of tier 2 share: running a function until it is hot, and counting what happened."""

import os
import unittest

import hotspur


class Counts:
    """What tier 2 did while something ran: the difference between two calls of `hotspur.stats`."""

    def __init__(self, before, after):
        self._before = before
        self._after = after

    def __getitem__(self, path):
        before, after = self._before, self._after
        for name in path.split("."):
            before = before.get(name, 0) if isinstance(before, dict) else 0
            after = after.get(name, 0)
        if isinstance(after, dict):
            before = sum(before.values()) if isinstance(before, dict) else 0
            after = sum(after.values())
        return after - before

    @property
    def share(self):
        """How much of what was executed was executed in tier 2, from 0 to 1."""
        tier1, tier2 = self["bytecodes.tier1"], self["bytecodes.tier2"]
        return tier2 / (tier1 + tier2) if tier1 + tier2 else 0.0


def counted(function, *args, **keywords):
    """Calls the function; returns its result and the counts."""
    before = hotspur.stats()
    result = function(*args, **keywords)
    return result, Counts(before, hotspur.stats())


class Tier2Case(unittest.TestCase):
    """Tests that count. Every instruction is counted while they run."""

    def setUp(self):
        hotspur.set_parameter("count_instructions", 1)

    def tearDown(self):
        hotspur.set_parameter("count_instructions", 0)

    def hot(self, function, *args, expect, share=0.5, rounds=6):
        """Calls the function until it is hot, then once more; it must give what is expected each time, and the last
        time the given share of its instructions must have been executed in tier 2. Returns the counts of the last call."""
        for _ in range(rounds):
            self.assertEqual(function(*args), expect)
        result, counts = counted(function, *args)
        self.assertEqual(result, expect)
        self.assertGreater(counts["runs"], 0, "no executor was run")
        # What is recorded before it has warmed up is good for finding mistakes, and not for much else.
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertGreaterEqual(counts.share, share, describe(function))
        return counts


def describe(function):
    """The executors of a function, for the message of a failing test."""
    return "\n\n".join(executor.text for executor in hotspur.executors(function)) or "no executors"
