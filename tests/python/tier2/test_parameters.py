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
