import unittest

from harness import comparison, warmup
from tests import samples


def warming(begin, slow, slow_calls, fast, fast_calls):
    """Calls of one loop, first slow, then fast."""
    curve, now = [], begin
    for seconds, calls in ((slow, slow_calls), (fast, fast_calls)):
        for _ in range(calls):
            now += seconds
            curve.append([now, 1, seconds])
    return samples.run([fast] * 5, curve, begin)


class Speed(unittest.TestCase):
    def test_time_to_speed_is_when_the_first_fast_call_begins(self):
        run = warming(0.1, 0.05, 10, 0.01, 100)
        # The median of five calls is fast two slow calls earlier.
        self.assertAlmostEqual(warmup.time_to_speed(run), 0.1 + 8 * 0.05)

    def test_a_lucky_call_decides_nothing(self):
        run = warming(0.0, 0.05, 10, 0.01, 100)
        run["curve"][1][2] = 0.01
        self.assertGreater(warmup.time_to_speed(run), 0.3)

    def test_without_warm_up(self):
        self.assertAlmostEqual(warmup.time_to_speed(samples.steady_run(0.01)), 0.05)

    def test_never_at_speed(self):
        run = samples.run([0.001] * 5, [[0.1 * i, 1, 0.1] for i in range(1, 20)])
        self.assertIsNone(warmup.time_to_speed(run))

    def test_second_second(self):
        # Slow until 1.5 s, at half the speed; then fast.
        run = warming(0.5, 0.02, 50, 0.01, 200)
        self.assertAlmostEqual(warmup.speed_between(run, 1.0, 2.0), 0.75, places=2)

    def test_second_second_needs_a_second_second(self):
        self.assertIsNone(warmup.speed_between(samples.steady_run(0.01, calls=100), 1.0, 2.0))


class Work(unittest.TestCase):
    def test_fixed_work_is_what_the_base_does_in_a_second(self):
        base, other = samples.steady_run(0.01, calls=200), samples.steady_run(0.005, calls=400, begin=0.1)
        ((before, after),) = warmup.fixed_work([base], [other])
        self.assertAlmostEqual(before, 1.0)
        # 95 calls after the start-up of 0.05 s.
        self.assertAlmostEqual(after, 0.1 + 95 * 0.005)

    def test_what_lies_beyond_the_curve_goes_on_at_the_steady_speed(self):
        run = samples.steady_run(0.01, calls=10)
        self.assertAlmostEqual(warmup.time_of_work(run, 20), 0.05 + 0.2)

    def test_a_base_that_ran_less_than_a_second(self):
        base, other = samples.steady_run(0.01, calls=10), samples.steady_run(0.02, calls=10)
        self.assertAlmostEqual(warmup.fixed_work([base], [other])[0][0], 0.15)

    def test_break_even(self):
        base = samples.steady_run(0.01, calls=200, begin=0.05)
        # 10 slow calls until 0.55 s, then twice as fast: level with the base when 0.55 + 0.005 n = 0.15 + 0.01 n.
        other = warming(0.05, 0.05, 10, 0.005, 300)
        self.assertAlmostEqual(warmup.break_even(base, other), 0.05 + 0.01 * (10 + 80), delta=0.011)

    def test_break_even_never_and_at_once(self):
        base = samples.steady_run(0.01)
        self.assertIsNone(warmup.break_even(base, samples.steady_run(0.011)))
        self.assertAlmostEqual(warmup.break_even(base, samples.steady_run(0.009, calls=200)), 0.05)


class SeveralBenchmarks(unittest.TestCase):
    def test_the_second_is_moved_as_if_it_had_been_alone(self):
        lines = [{"begin": 100.2, "curve": [[100.3, 1, 0.1]]}, {"begin": 105.0, "curve": [[105.5, 1, 0.5]]}]
        first, second = warmup.rebase(lines, 100.0)
        self.assertEqual((first["begin"], first["curve"]), (0.2, [[0.3, 1, 0.1]]))
        self.assertEqual((second["begin"], second["curve"]), (0.2, [[0.7, 1, 0.5]]))


class Median(unittest.TestCase):
    def test_none_is_beyond_everything(self):
        self.assertEqual(comparison.median_or_none([1.0, None, 2.0]), 2.0)
        self.assertIsNone(comparison.median_or_none([1.0, None, None]))
        self.assertEqual(comparison.median_or_none([1.0, 2.0]), 1.5)
        self.assertIsNone(comparison.median_or_none([]))


if __name__ == "__main__":
    unittest.main()
