"""The child scripts and one whole measurement, with tiny settings, under the Python that runs the tests."""

import json
import pathlib
import runpy
import subprocess
import sys
import tempfile
import time
import unittest

from harness import programs

BENCH = pathlib.Path(__file__).resolve().parent.parent
SETTINGS = {"warmup": 0.05, "sample": 0.01, "samples": 3, "longest": 0.1, "clock": "wall", "libraries": "/nowhere"}

PYPERFORMANCE_STYLE = """\
import pyperf

def timed(loops, x):
    start = pyperf.perf_counter()
    for _ in range(loops):
        sum(range(x))
    return pyperf.perf_counter() - start

async def async_work():
    sum(range(100))

runner = pyperf.Runner()
runner.metadata["description"] = "several ways"
runner.argparser.add_argument("--size", type=int, default=10)
size = runner.parse_args().size
runner.bench_time_func("timed", timed, size)
runner.bench_func("function", sum, range(size))
runner.bench_async_func("async", async_work)
"""


class Scratch(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)


class RunOne(Scratch):
    def run_one(self, script, *arguments, **settings):
        output = self.folder / "out"
        output.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, BENCH / "child" / "run_one.py", json.dumps(SETTINGS | {"output": str(output)} | settings),
             script, *arguments], capture_output=True, text=True,
        )
        lines = [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []
        return done, lines

    def script(self, text):
        path = self.folder / "program.py"
        path.write_text(text)
        return path

    def test_it_stands_in_for_pyperf(self):
        for clock in ("wall", "cpu"):
            with self.subTest(clock):
                done, lines = self.run_one(self.script(PYPERFORMANCE_STYLE), "--size", "1000", clock=clock)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual([line["name"] for line in lines], ["timed", "function", "async"])
                for line in lines:
                    self.assertEqual(len(line["samples"]), 3)
                    ends = [end for end, _, _ in line["curve"]]
                    self.assertEqual(ends, sorted(ends))
                    self.assertGreater(ends[0], line["begin"])
                    # The samples are the last calls of the curve.
                    _, loops, seconds = line["curve"][-1]
                    self.assertAlmostEqual(seconds / loops, line["samples"][-1], places=9)
                    self.assertEqual(line["curve"][0][1], 1)

    def test_preparing_stops_before_the_first_benchmark(self):
        done, lines = self.run_one(self.script(PYPERFORMANCE_STYLE), prepare=True)
        self.assertEqual((done.returncode, lines), (0, []), done.stderr)

    def test_wrong_results_are_errors(self):
        done, lines = self.run_one(self.script("SIZE = 3\ndef work(n): return n\ndef expected(n): return n + 1\n"), own=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("wrong result: 3 instead of 4", done.stderr)
        self.assertEqual(lines, [])

    def test_cold_run_of_a_size(self):
        script = programs.OWN_FOLDER / "scaling.py"
        done, lines = self.run_one(script, own=True, cold=True, size=5000)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((lines[0]["name"], lines[0]["size"]), ("scaling", 5000))


class Spawn(Scratch):
    def spawn(self, code):
        result = self.folder / "result"
        order = {"command": [sys.executable, "-c", code], "env": {"X": "1"}, "result": str(result)}
        subprocess.run([sys.executable, "-I", "-S", BENCH / "child" / "spawn.py", json.dumps(order)], check=True)
        return json.loads(result.read_text())

    def test_what_a_process_took(self):
        before = time.monotonic()
        told = self.spawn("import os, time; assert os.environ['X'] == '1'; b = b'x' * 60_000_000; time.sleep(0.2)")
        self.assertEqual(told["status"], 0)
        self.assertGreater(told["peak"], 60e6)
        self.assertLess(told["peak"], 200e6)
        self.assertGreaterEqual(told["wall"], 0.2)
        self.assertLess(told["cpu"], told["wall"])
        self.assertGreater(told["started"], before)

    def test_how_it_ended(self):
        self.assertEqual(self.spawn("raise SystemExit(3)")["status"], 3)
        self.assertEqual(self.spawn("import os; os.kill(os.getpid(), 9)")["status"], -9)


class OwnPrograms(unittest.TestCase):
    SIZES = {"simulation": 50, "recursion": 9, "many_functions": 1}

    def test_their_results(self):
        found = programs.own_programs()
        self.assertGreaterEqual(len(found), 11)
        for name, program in found.items():
            with self.subTest(name):
                module = runpy.run_path(str(program.script))
                size = self.SIZES.get(name, 77)
                self.assertEqual(module["work"](size), module["expected"](size))
                self.assertTrue(module.get("WHOLE") or module.get("SIZES"))


class Whole(Scratch):
    def bench(self, *arguments):
        return subprocess.run([sys.executable, BENCH, *arguments], capture_output=True, text=True)

    def test_a_measurement_and_its_report(self):
        name = self.folder / "result"
        done = self.bench(
            "run", "closures", "scaling", "--configs", "control", "--peer", f"same={sys.executable} -B",
            "--peer", "same2=SOME_VARIABLE=1 " + sys.executable, "--rounds", "2", "--warmup", "0.05", "--sample", "0.01",
            "--samples", "2", "--startup-rounds", "2", "--sizes", "2", "--no-plots", "--cpu", "-1", "--python", sys.executable,
            "--cache", self.folder / "cache", "--output", name,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        result = json.loads(name.with_suffix(".json").read_text())
        self.assertEqual(list(result["configurations"]), ["stock", "control", "same", "same2"])
        self.assertEqual(result["failures"], {})
        self.assertGreater(result["wall"], 0.5)
        self.assertGreater(result["busy"], 0)
        for configuration in result["configurations"]:
            runs = result["benchmarks"]["closures"]["runs"][configuration]
            self.assertEqual(len(runs), 2)
            # From the start of the process, so it includes starting Python.
            self.assertGreater(runs[0]["begin"], 0.002)
            self.assertLess(runs[0]["begin"], 60)
            self.assertEqual(len(result["processes"]["closures"][configuration]), 2)
            self.assertEqual(list(result["scaling"]["scaling"][configuration]), ["10000", "30000"])
            self.assertEqual(len(result["startup"][configuration]["seconds"]), 2)
        self.assertIn("left] 2/2 scaling", done.stderr)
        text = name.with_suffix(".md").read_text()
        self.assertIn("| closures |", text)
        # The report can be made again from the result.
        name.with_suffix(".md").unlink()
        again = self.bench("report", name.with_suffix(".json"), "--no-plots")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(name.with_suffix(".md").read_text(), text)

    def test_a_peer_that_does_not_start(self):
        done = self.bench("run", "closures", "--configs", "stock", "--peer", "x=/does/not/exist", "--python", sys.executable,
                          "--cache", self.folder / "cache")
        self.assertEqual(done.returncode, 1)
        self.assertIn("x: /does/not/exist does not start", done.stderr)


if __name__ == "__main__":
    unittest.main()
