"""The parameters of tier 2: one table, settable from outside and from inside, documented."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

import hotspur
from hotspur import _hotspur
from support import run_program

DOCUMENT = pathlib.Path(__file__).resolve().parents[3] / "docs" / "parameters.md"


def run(program, environment):
    """Runs a program in another process, which finds the package where this one found it."""
    path = os.path.dirname(os.path.dirname(hotspur.__file__))
    engine = _hotspur.__file__
    load = (
        "import importlib.util as u, sys; sys.path.insert(0, %r); s = u.spec_from_file_location('hotspur._hotspur', %r); "
        "m = u.module_from_spec(s); sys.modules['hotspur._hotspur'] = m; s.loader.exec_module(m); " % (path, engine)
    )
    return subprocess.run([sys.executable, "-c", load + program], env=environment, capture_output=True, text=True)


def rows():
    return [
        f"| `{name}` | {default:,} | {unit} | {least:,} to {most:,} | {doc} |"
        for name, default, unit, least, most, doc in _hotspur.parameter_table()
    ]


class Parameters(unittest.TestCase):
    def test_the_document_has_the_table(self):
        text = DOCUMENT.read_text()
        if os.environ.get("HOTSPUR_BLESS") == "1":
            head, _, _ = text.partition("| `")
            text = head + "\n".join(rows()) + "\n"
            DOCUMENT.write_text(text)
        self.assertEqual([line for line in text.splitlines() if line.startswith("| `")], rows())

    def test_setting(self):
        before = hotspur.parameters()["exit_threshold"]
        try:
            hotspur.set_parameter("exit_threshold", 77)
            self.assertEqual(hotspur.parameters()["exit_threshold"], 77)
        finally:
            hotspur.set_parameter("exit_threshold", before)
        for name, value in ("exit_threshold", 0), ("exit_threshold", 1 << 40), ("no_such_thing", 1):
            with self.assertRaises(ValueError):
                hotspur.set_parameter(name, value)

    def test_passes(self):
        before = hotspur.parameters()["passes"]
        try:
            hotspur.set_parameter("passes", "all")
            every = hotspur.parameters()["passes"]
            hotspur.set_parameter("passes", "-peel")
            self.assertNotEqual(hotspur.parameters()["passes"], every)
            hotspur.set_parameter("passes", "fold,peel")
            self.assertEqual(hotspur.parameters()["passes"], "fold,peel")
            with self.assertRaises(ValueError) as caught:
                hotspur.set_parameter("passes", "no_such_pass")
            with self.assertRaises(TypeError):
                hotspur.set_parameter("passes", 1)
        finally:
            hotspur.set_parameter("passes", before)
        # The document names them all.
        _, _, names = str(caught.exception).partition(", but ")
        names = names.split(", ")
        self.assertGreater(len(names), 8)
        text = DOCUMENT.read_text().partition("| name |")[0]
        self.assertLessEqual({f"`{name}`" for name in names}, set(re.findall(r"`\w+`", text)))
        code = "import hotspur; hotspur.enable(); print(hotspur.parameters()['passes'])"
        self.assertEqual(run(code, os.environ | {"HOTSPUR_PASSES": "fold,peel"}).stdout, "fold,peel\n")

    def test_the_environment(self):
        code = "import hotspur; print(hotspur.parameters()['back_edge_threshold'])"
        environment = os.environ | {"HOTSPUR_BACK_EDGE_THRESHOLD": "123"}
        program = f"import hotspur; hotspur.enable(); exec({code!r})"
        done = run(program, environment)
        self.assertEqual(done.stdout, "123\n", done.stderr)

    def test_a_wrong_value_in_the_environment(self):
        environment = os.environ | {"HOTSPUR_BACK_EDGE_THRESHOLD": "many"}
        program = "import hotspur; hotspur.enable(); print(hotspur.parameters()['back_edge_threshold'])"
        done = run(program, environment)
        self.assertIn("HOTSPUR_BACK_EDGE_THRESHOLD", done.stderr)
        self.assertTrue(done.stdout.strip().isdigit(), done.stderr)

    def test_a_loop_gets_hot_when_it_is_said_to(self):
        if "HOTSPUR_BACK_EDGE_THRESHOLD" in os.environ:
            # This method itself is hot then, and the loop becomes part of its trace.
            return
        hotspur.set_parameter("back_edge_threshold", 5)
        hotspur.set_parameter("background", 0) if "background" in hotspur.parameters() else None
        try:
            namespace = {}
            exec("def f(n):\n    i = 0\n    while i < n: i += 1\n    return i\n", namespace)
            f = namespace["f"]
            self.assertEqual(f(3), 3)
            self.assertEqual(hotspur.executors(f), [])
            self.assertEqual(f(20), 20)
            self.assertNotEqual(hotspur.executors(f), [])
        finally:
            hotspur.set_parameter("back_edge_threshold", 1000)

    def test_a_sample_of_the_places(self):
        program = """
names = [f"f{i}" for i in range(40)]
exec("\\n".join(f"def {name}(n):\\n    for i in range(n): pass\\n    return {i}" for i, name in enumerate(names)))
for name in names:
    globals()[name](100)
print(*(name for name in names if hotspur.executors(globals()[name])))
"""
        every = run_program(self, program, back_edge_threshold=8, background=0).split()
        self.assertEqual(len(every), 40)
        samples = []
        for seed in range(4):
            samples.append(run_program(self, program, back_edge_threshold=8, background=0, sample=4, sample_seed=seed).split())
        # Each place is in the sample of one seed.
        self.assertEqual(sorted(sum(samples, [])), sorted(every))
        self.assertTrue(all(samples), samples)


QUIET = {"background": 0, "heat_time": 0, "trial_slice": 0, "losing_interval": 1000000, "stress": 0}

class EachParameter(unittest.TestCase):
    def values(self, number):
        """A value for each parameter that is neither what it is by default, nor the same for numbers that follow each other."""
        chosen = {}
        for name, default, _, least, most, _ in _hotspur.parameter_table():
            others = [value for value in (default + 1, default - 1, least, most) if least <= value <= most and value != default]
            chosen[name] = others[number % len(others)]
        return chosen

    def test_by_the_environment(self):
        self.assertGreater(len(_hotspur.parameter_table()), 30)
        for number in range(2):
            values = self.values(number)
            # Nothing is executed under Hotspur with values such as these.
            variables = {f"HOTSPUR_{name.upper()}": str(value) for name, value in values.items()}
            done = run("import hotspur; hotspur.enable(); hotspur.disable(); print(hotspur.parameters())", os.environ | variables)
            self.assertEqual(done.stderr, "")
            found = eval(done.stdout)
            self.assertEqual({name: found[name] for name in values}, values)
            self.assertEqual(set(found) - set(values), {"passes"})

    def test_by_name(self):
        program = """
for name, default, unit, least, most, doc in hotspur._hotspur.parameter_table():
    before = hotspur.parameters()
    for value in least, most, default:
        hotspur.set_parameter(name, value)
        # This one, and no other.
        assert hotspur.parameters() == before | {name: value}, name
    for value in least - 1, most + 1, -1 if least else -2:
        try:
            hotspur.set_parameter(name, value)
        except ValueError as error:
            assert name in str(error) and str(least) in str(error) and str(most) in str(error), error
        else:
            raise AssertionError(name)
    assert hotspur.parameters()[name] == default
    hotspur.set_parameter(name, before[name])
print("done")
"""
        self.assertEqual(run_program(self, program, **QUIET), "done\n")


class Thresholds(unittest.TestCase):
    """Exactly when recordings begin. In each program, a function is called from a module, whose frame runs in CPython's own interpreter."""

    def starts(self, program, **parameters):
        text = program + """
begun = hotspur._hotspur.tier2_stats()
found, before = [], begun["traces_started"]
for number in range(1, CALLS + 1):
    call()
    now = hotspur._hotspur.tier2_stats()["traces_started"]
    if now != before: found.append(number)
    before = now
ended = hotspur._hotspur.tier2_stats()
print([found, *(ended[name] - begun[name] for name in ("traces_finished", "places_given_up", "runs"))])
"""
        return eval(run_program(self, text, **QUIET | parameters))

    def test_entries(self):
        program = "exec('def f(): return 1\\n')\nCALLS = 60\ndef call(): pass\ncall = f"
        for threshold in 2, 3, 10, 50:
            # It is recorded in the call that is the threshold, and entered in each one after that.
            found = self.starts(program, entry_threshold=threshold)
            self.assertEqual(found, [[threshold], 1, 0, 60 - threshold])
        self.assertEqual(self.starts(program, entry_threshold=61), [[], 0, 0, 0])

    def test_exits(self):
        # Half of the calls leave the function's executor by the same exit.
        program = """
exec("def f(x):\\n if x: y = 1\\n else: y = 2\\n return y\\n")
for _ in range(20): f(1)
[executor] = hotspur.executors(f)
CALLS = 100
import functools
call = functools.partial(f, 0)
"""
        for threshold in 1, 2, 10, 50:
            found, finished, given_up, runs = self.starts(program, entry_threshold=20, exit_threshold=threshold)
            self.assertEqual((found, finished, given_up), ([threshold], 1, 0))
            # Each call runs the first executor; those after it was recorded, the second one as well.
            self.assertEqual(runs, 100 + 100 - threshold)
        found, *_ = self.starts(program, entry_threshold=20, exit_threshold=101)
        self.assertEqual(found, [])

    # Every recording fails: there are more constants than it may have.
    FAILS = """
exec("def f(): return len, abs, repr, max, min\\n")
call = f
CALLS = 3000
"""

    def test_backing_off(self):
        for backoff, attempts in (3, 6), (1, 4), (5, 3):
            found, finished, given_up, runs = self.starts(
                self.FAILS, entry_threshold=10, constants=1, backoff=backoff, attempts=attempts
            )
            expected = [10]
            for failures in range(1, attempts):
                expected.append(expected[-1] + 2 ** (backoff + failures))
            self.assertEqual(found, expected)
            # Then it is left alone for good.
            self.assertEqual((finished, given_up, runs), (0, 1, 0))

    def test_backing_off_has_a_limit(self):
        found, *_ = self.starts(self.FAILS.replace("3000", "30000"), entry_threshold=10, constants=1, backoff=12, attempts=255)
        self.assertEqual(found, list(range(10, 30000, 4096)))

    def test_exits_back_off(self):
        # The function's own trace has few constants; what follows its exit has too many.
        program = """
exec("def f(x):\\n if x: return 1\\n return len, abs, repr, max, min, sum, len\\n")
for _ in range(20): f(1)
[executor] = hotspur.executors(f)
import functools
call = functools.partial(f, 0)
CALLS = 1000
"""
        found, finished, given_up, runs = self.starts(
            program, entry_threshold=20, exit_threshold=10, constants=3, backoff=3, attempts=4
        )
        self.assertEqual(found, [10, 26, 58, 122])
        self.assertEqual((finished, given_up, runs), (0, 0, 1000))


class Exits(unittest.TestCase):
    """Parameters for tests: exits are taken that nothing asks for, and the result is the same."""

    PROGRAM = """
class Point:
    def __init__(self, x):
        self.x = x
    def __del__(self):
        pass

def f(n):
    total = 0
    for i in range(n):
        total += Point(i).x * 3 // 2
        total += len([i, str(i)])
    return total

def at_exits(reasons):
    taken = hotspur.stats()["exits"]["cold_by_reason"]
    return sum(taken.get(reason, 0) for reason in reasons)

expected = f(3000)
for _ in range(5):
    assert f(3000) == expected
"""

    def test_guards_fail(self):
        text = """
for _ in range(5):
    assert f(3000) == expected
print(at_exits(["wrong_type", "type_changed", "not_compact", "overflow", "periodic", "stack_space"]))
"""
        usual = int(run_program(self, self.PROGRAM + text, fail_every=0))
        self.assertGreater(int(run_program(self, self.PROGRAM + text, fail_every=20)), usual + 300)

    def test_executors_are_stopped(self):
        text = """
before = at_exits(["invalidated"])
for i in range(200):
    assert f(100) == f(100)
print(at_exits(["invalidated"]) - before)
"""
        # (One may have gone for another reason.)
        self.assertLess(int(run_program(self, self.PROGRAM + text, stop_every=0, background=0)), 5)
        self.assertGreater(int(run_program(self, self.PROGRAM + text, stop_every=1, background=0)), 50)
