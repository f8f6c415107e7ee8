import json
import unittest

from harness import comparison, report
from tests import samples


class Report(unittest.TestCase):
    def setUp(self):
        self.result = samples.result(
            fast={"stock": 0.02, "jit": 0.01, "other": 0.04}, slow={"stock": 0.02, "jit": 0.025, "other": 0.02},
            missing={"stock": 0.02, "jit": 0.02},
        )
        self.result["failures"] = {"other": {"missing": "Traceback\nImportError: no such thing"}}
        self.result["left_out"] = {"sphinx": "takes too long"}

    def section(self, title, text=None):
        text = text or report.markdown(self.result)
        return next(part for part in text.split("\n## ") if part.startswith(title))

    def test_losses_are_named_for_every_configuration(self):
        losses = self.section("Losses")
        self.assertIn("**jit**: 2", losses)
        self.assertIn("| slow | steady state | 20.000 | 25.000 | 0.800 ", losses)
        self.assertIn("| slow | fixed work |", losses)
        self.assertIn("**other**: 2", losses)
        self.assertNotIn("| missing |", losses)

    def test_no_losses_are_said_to_be_none(self):
        self.assertIn("**jit**: none.", self.section("Losses", report.markdown(
            samples.result(a={"stock": 0.02, "jit": 0.02, "other": 0.02}))))

    def test_steady_state_side_by_side_sorted_by_the_first(self):
        lines = self.section("Steady state").splitlines()[2:]
        self.assertEqual([line.split(" | ")[0] for line in lines],
                         ["| program", "| ---", "| fast", "| missing", "| slow"])
        fast, missing = lines[2], lines[3]
        self.assertRegex(fast, r"^\| fast \| 20\.000 \| 2\.0\d\d \(1\.99\d–2\.00\d\) \| 0\.500 \(")
        self.assertTrue(missing.endswith("| – |"), missing)

    def test_what_was_not_measured_is_named(self):
        text = self.section("Not measured")
        self.assertIn("* **other** does not run missing: ImportError: no such thing", text)
        self.assertIn("* sphinx: takes too long", text)

    def test_overview(self):
        row = next(line for line in self.section("Geometric means").splitlines() if line.startswith("| jit"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        self.assertTrue(cells[1].startswith("1.170 ("), cells)
        self.assertEqual(cells[4], "–")
        self.assertEqual(cells[5:7], ["1 / 1 of 3", "slow 0.800"])

    def test_what_is_in_c_is_left_out_of_one_mean(self):
        self.result["benchmarks"]["json_loads"] = self.result["benchmarks"].pop("slow")
        row = next(line for line in self.section("Geometric means").splitlines() if line.startswith("| jit"))
        everything, pyperformance, in_python = [cell.strip().split(" ")[0] for cell in row.strip("|").split("|")][1:4]
        self.assertEqual(everything, pyperformance)
        # 2.0 and 1.0 are left, 0.8 is not.
        self.assertEqual(in_python, "1.414")

    def test_warm_up_processes_scaling_and_start_up(self):
        self.result["processes"] = {"script": {
            "stock": [{"wall": 0.3, "cpu": 0.2, "peak": 10e6}], "jit": [{"wall": 0.6, "cpu": 0.1, "peak": 20e6}]}}
        self.result["scaling"] = {"scaling": {"stock": {"1000": [0.001], "10": [0.0001]}, "jit": {"1000": [0.002]}}}
        self.result["startup"] = {"stock": {"seconds": [0.01], "peak": [8e6]}, "jit": {"seconds": [0.012], "peak": [9e6]}}
        text = report.markdown(self.result)
        self.assertIn("| script | 0.300 → 0.600 | 0.500 | 2.000 | 10.0 → 20.0 |", self.section("Whole processes: jit", text))
        self.assertIn("| script | whole process | 300.000 | 600.000 | 0.500 |", self.section("Losses", text))
        scaling = self.section("Time per iteration", text)
        self.assertLess(scaling.index("| 10 | 10000.0 | – |"), scaling.index("| 1,000 | 1000.0 | 2000.0 |"))
        self.assertIn("| jit | 12.0 | +2.0 | 9.0 | +1.0 |", self.section("Start-up", text))
        self.assertRegex(self.section("Warm-up: jit", text), r"\| slow \| 1\.\d+ → 1\.\d+ \| 0\.8.*\| never \| 10\.0 → 10\.0 \|")

    def test_plots_or_why_there_are_none(self):
        self.assertIn("![a.svg](a.svg)", report.markdown(self.result, ["a.svg"]))
        self.assertIn("No plots: nothing", report.markdown(self.result, "No plots: nothing"))

    def test_a_busy_machine_shows(self):
        self.assertIn("ran for 90% of their time", report.markdown(self.result))

    def test_short(self):
        text = report.markdown(self.result, short=True)
        self.assertIn("## Losses", text)
        self.assertIn("## Not measured", text)
        self.assertNotIn("## Warm-up", text)

    def test_summary_is_json(self):
        (jit, _) = [comparison.summary(each, 0.95) for each in comparison.compare_all(self.result)]
        again = json.loads(json.dumps(jit))
        self.assertEqual(again["losses"], ["slow"])
        self.assertEqual(again["steady"]["count"], 3)
        self.assertIsNone(again["steady_by_suite"]["hotspur"])


if __name__ == "__main__":
    unittest.main()
