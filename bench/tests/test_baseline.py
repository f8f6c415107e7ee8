import json
import pathlib
import tempfile
import unittest

from harness import baseline
from tests import samples


class Baseline(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.before = samples.result(
            a={"stock": 0.02, "jit": 0.01, "other": 0.02}, b={"stock": 0.02, "jit": 0.02}, c={"stock": 0.02, "jit": 0.02})

    def verdict(self, now):
        known = baseline.read(now, self.folder)
        return baseline.judge(now, known), known

    def test_file(self):
        path = baseline.write(self.before, self.folder)
        self.assertEqual(path.name, "some-processor-3-ghz_3.13.9-01234567.json")
        kept = json.loads(path.read_text())
        self.assertEqual(list(kept["configurations"]), ["jit"])
        self.assertAlmostEqual(kept["configurations"]["jit"]["a"]["ratio"], 2.0)

    def test_the_same_again_holds(self):
        baseline.write(self.before, self.folder)
        verdict, known = self.verdict(self.before)
        self.assertTrue(verdict.holds)
        self.assertTrue(known.exact)
        factor, count = verdict.means["jit"]
        self.assertAlmostEqual(factor, 1.0, places=3)
        self.assertEqual(count, 3)
        self.assertEqual(baseline.describe(verdict, known)[-1], "  no regression")

    def test_regressions_and_improvements_are_named(self):
        baseline.write(self.before, self.folder)
        now = samples.result(a={"stock": 0.02, "jit": 0.0125}, b={"stock": 0.02, "jit": 0.0205},
                             c={"stock": 0.02, "jit": 0.015})
        verdict, known = self.verdict(now)
        self.assertEqual([change.name for change in verdict.slower], ["a"])
        self.assertEqual([change.name for change in verdict.faster], ["c"])
        self.assertFalse(verdict.holds)
        text = "\n".join(baseline.describe(verdict, known))
        self.assertIn("SLOWER jit a: 2.000 → 1.600 (-20.0 %)", text)
        self.assertNotIn("no regression", text)

    def test_a_slower_machine_is_no_regression(self):
        baseline.write(self.before, self.folder)
        now = samples.result(a={"stock": 0.04, "jit": 0.02}, b={"stock": 0.03, "jit": 0.03})
        self.assertTrue(self.verdict(now)[0].holds)

    def test_noise_is_no_regression(self):
        row = {"ratio": 1.0, "spread": 0.05, "rounds": 3}
        now = samples.result(a={"stock": 0.02, "jit": 0.022})
        (measured,) = baseline.compare_all(now)[0].rows
        self.assertFalse(baseline.beyond_noise(row, measured))
        self.assertTrue(baseline.beyond_noise(row | {"spread": 0.001}, measured))
        # The same spread from a single round is not believed.
        self.assertTrue(baseline.beyond_noise(row | {"spread": 0.0, "rounds": 5}, measured))
        measured.rounds = measured.rounds[:1]
        self.assertFalse(baseline.beyond_noise(row | {"spread": 0.03, "rounds": 1}, measured))

    def test_too_few_rounds_confirm_nothing(self):
        baseline.write(self.before, self.folder)
        now = samples.result(a={"stock": 0.02, "jit": 0.0125}, b={"stock": 0.02, "jit": 0.02}, c={"stock": 0.02, "jit": 0.018})
        for benchmark in now["benchmarks"].values():
            benchmark["runs"] = {name: runs[:2] for name, runs in benchmark["runs"].items()}
        verdict, known = self.verdict(now)
        self.assertEqual([change.name for change in verdict.slower], ["a"])
        self.assertEqual(verdict.mean_is_slower, ["jit"])
        verdict.means.clear()
        self.assertTrue(verdict.holds)
        self.assertIn("not confirmed", "\n".join(baseline.describe(verdict, known)))

    def test_a_slow_drift_of_everything_is_a_regression(self):
        sides = {f"p{n}": {"stock": 0.02, "jit": 0.02} for n in range(10)}
        baseline.write(samples.result(**sides), self.folder)
        now = samples.result(**{name: {"stock": 0.02, "jit": 0.0207} for name in sides})
        verdict, _ = self.verdict(now)
        self.assertEqual(verdict.slower, [])
        self.assertEqual(verdict.mean_is_slower, ["jit"])
        self.assertFalse(verdict.holds)

    def test_a_program_that_fails_now(self):
        baseline.write(self.before, self.folder)
        now = samples.result(a={"stock": 0.02, "jit": 0.01})
        now["failures"] = {"jit": {"b": "crashed"}}
        verdict, _ = self.verdict(now)
        self.assertEqual(verdict.failing, [("jit", "b")])
        self.assertFalse(verdict.holds)

    def test_other_machines_and_builds(self):
        baseline.write(self.before, self.folder)
        _, known = self.verdict(self.before | {"processor": "Another"})
        self.assertFalse(known.exact)
        self.assertIsNone(baseline.read(self.before | {"short": "3.13.10"}, self.folder))

    def test_writing_again_keeps_what_was_not_run(self):
        baseline.write(self.before, self.folder)
        path = baseline.write(samples.result(a={"stock": 0.02, "jit": 0.02}), self.folder)
        kept = json.loads(path.read_text())["configurations"]["jit"]
        self.assertAlmostEqual(kept["a"]["ratio"], 1.0)
        self.assertIn("b", kept)


if __name__ == "__main__":
    unittest.main()
