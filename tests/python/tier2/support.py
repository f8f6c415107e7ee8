"""What tests of tier 2 share: running a function until it is hot, and counting what happened."""

import contextlib
import os
import subprocess
import sys
import unittest

import hotspur
from hotspur._inspection import arranged, read

if "HOTSPUR_BACKGROUND" not in os.environ:
    # Executors are there as soon as they are recorded, so counts do not depend on time.
    hotspur.set_parameter("background", 0)

# As often as tests take their exits. What they are about is executed whether that is worth it or not.
for name, value in ("exit_threshold", 200), ("losing_interval", 2000), ("execute_cost", 0), ("publish_cost", 0), ("heat_time", 0), ("trial_slice", 0), \
        ("compile_share", 1000000):
    if f"HOTSPUR_{name.upper()}" not in os.environ:
        hotspur.set_parameter(name, value)


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
    # What arranges the counters is Python code that may run in tier 2 as well.
    before = read()
    result = function(*args, **keywords)
    after = read()
    return result, Counts(arranged(before), arranged(after))


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
        compiled()
        result, counts = counted(function, *args)
        self.assertEqual(result, expect)
        self.assertGreater(counts["runs"], 0, "no executor was run")
        # What is recorded before it has warmed up is good for finding mistakes, and not for much else.
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertGreaterEqual(counts.share, share, describe(function))
        return counts


    @contextlib.contextmanager
    def running(self, *functions, runs=1):
        """What is done within must run executors that begin in each of the functions, so often. They must not go in between."""
        before = [runs_of(function) for function in functions]
        yield
        for function, had in zip(functions, before):
            self.assertGreaterEqual(runs_of(function) - had, runs, describe(function))


def activations():
    """How often the evaluation loop was entered: a call that C makes is an activation of its own, one that is followed is not."""
    return hotspur.info()["counters"]["entries"]


class FollowedCase(Tier2Case):
    """What is called is in the caller's trace. If not, it would be in an executor of its own, so there would be a run for each call;
    or in tier 1, where the share would show it; or below C, in an activation of its own."""

    def followed(self, function, *args, expect, share=0.98, runs=3, frames=True, within=None):
        """Calls the function until it is hot. There may be so many runs in a call of it (None: any number, but entered from tier 1 it
        is no more than three times). `frames`: whether exits have frames of what is called, `within` executors of this function."""
        self.hot(function, *args, expect=expect, share=share)
        before = activations()
        result, counts = counted(function, *args)
        self.assertEqual(result, expect)
        # (What is recorded before tier 1 has specialized it is another matter.)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertLess(activations() - before, 100, describe(function))
            self.assertLessEqual(counts["entries"], 3 if runs is None else runs, describe(function))
            if runs is not None:
                self.assertLessEqual(counts["runs"], runs, describe(function))
            if frames:
                text = "\n".join(executor.text for executor in hotspur.executors(within or function))
                self.assertRegex(text, r"\bcode[1-9]\d* @")
        return counts

    def not_followed(self, function, *args, expect, calls, share):
        """The same, where C makes so many calls."""
        self.hot(function, *args, expect=expect, share=share)
        before = activations()
        self.assertEqual(function(*args), expect)
        self.assertGreaterEqual(activations() - before, calls)


class UsualThresholds(Tier2Case):
    """Counters trigger as they do in other tests of tier 2, also where code is compiled at first sight: for tests of exact numbers."""

    USUAL = {"back_edge_threshold": 1000, "entry_threshold": 2000, "exit_threshold": 200, "backoff": 9}

    def setUp(self):
        super().setUp()
        before = hotspur.parameters()
        for name, value in self.USUAL.items():
            hotspur.set_parameter(name, value)
            self.addCleanup(hotspur.set_parameter, name, before[name])


def runs_of(function):
    """How often the executors that begin in a function have been run, those that exist."""
    return sum(executor.runs for executor in hotspur.executors(function))


def dying(log, look):
    """A class whose instances have a number. When one dies, the number is logged, with the line of the frame that runs then, from its
    function's first, and what `look` makes of that frame's variables."""

    class Dying:
        def __init__(self, n):
            self.n = n

        def __del__(self):
            frame = sys._getframe(1)
            log.append((self.n, frame.f_lineno - frame.f_code.co_firstlineno, *look(frame.f_locals)))

    return Dying


def on_stock(function, *args):
    """The result of the function when CPython's own interpreter runs it: it does while a trace function is set."""
    sys.settrace(lambda *_: None)
    try:
        return function(*args)
    finally:
        sys.settrace(None)


def compiled():
    """Waits until what is compiled in the background is there."""
    left = hotspur._hotspur.wait_for_compiler(60.0)
    assert left == 0, f"{left} executors do not come"


COMPILES = os.environ["HOTSPUR_ENGINE"] != "interp"


def needs_machine_code(test):
    """Where executors are interpreted there is no machine code, and nothing to be tested but that."""

    def no_code(self):
        stats = hotspur.stats()
        self.assertEqual((stats["code_bytes"], stats["micro_ops_compiled"], stats["executors"]["pending"]), (0, 0, 0))

    return test if COMPILES else no_code


# Hotspur as this process has it, whichever way it got in.
ENABLE = """
import importlib.machinery, importlib.util, sys
package, engine = sys.argv[1:]
loader = importlib.machinery.ExtensionFileLoader("hotspur._hotspur", engine)
module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
sys.modules[loader.name] = module
loader.exec_module(module)
sys.path.insert(0, package)
import hotspur
hotspur._hotspur = module
hotspur.enable()
"""


def run_program(case, text, **parameters):
    """Runs a program in a process of its own under Hotspur, and returns what it prints; it must end well and quietly. Parameters are those
    of Hotspur, or Python's own variables."""
    variables = {}
    for name, value in parameters.items():
        variables[name.upper() if name.startswith("python") else f"HOTSPUR_{name.upper()}"] = str(value)
    package = os.path.dirname(os.path.dirname(hotspur.__file__))
    command = [sys.executable, "-c", ENABLE + text, package, hotspur._hotspur.__spec__.origin]
    done = subprocess.run(command, env=dict(os.environ, **variables), capture_output=True, text=True, timeout=300)
    case.assertEqual((done.returncode, done.stderr), (0, ""))
    return done.stdout


def describe(function):
    """The executors of a function, for the message of a failing test."""
    return "\n\n".join(executor.text for executor in hotspur.executors(function)) or "no executors"
