import math
import random
import unittest

from harness import figures
from tests import samples


def noisy(true_ratio, spread, rounds, seed):
    """Measurements of something that is `true_ratio` times as fast, with log-normal noise in every sample."""
    draw = random.Random(seed)
    def side(seconds):
        return [seconds * math.exp(draw.gauss(0, spread)) for _ in range(7)]
    return [(side(1.0), side(1.0 / true_ratio)) for _ in range(rounds)]


class Means(unittest.TestCase):
    def test_geometric_mean(self):
        self.assertAlmostEqual(figures.geometric_mean([2.0, 8.0]), 4.0)
        self.assertAlmostEqual(figures.geometric_mean([0.25, 4.0]), 1.0)

    def test_middle_balances_a_value_and_its_inverse(self):
        self.assertAlmostEqual(figures.middle([0.5, 2.0]), 1.0)
        self.assertAlmostEqual(figures.middle([1.1, 5.0, 1.2]), 1.2)

    def test_mean_of_no_rows(self):
        self.assertIsNone(figures.mean([]))


class Intervals(unittest.TestCase):
    def test_the_same_measurement_gives_the_same_interval(self):
        rounds = noisy(1.5, 0.05, 3, 1)
        self.assertEqual(figures.row("x", "s", rounds), figures.row("x", "s", rounds))

    def test_interval_holds_the_ratio_and_grows_with_noise(self):
        quiet = figures.row("x", "s", noisy(1.5, 0.01, 5, 2))
        loud = figures.row("x", "s", noisy(1.5, 0.2, 5, 2))
        for row in (quiet, loud):
            self.assertLess(row.low, row.ratio)
            self.assertGreater(row.high, row.ratio)
        self.assertGreater(loud.high / loud.low, 3 * quiet.high / quiet.low - 2)
        self.assertAlmostEqual(quiet.ratio, 1.5, delta=0.03)

    def test_interval_holds_the_truth_most_of_the_time(self):
        hits = 0
        for seed in range(60):
            row = figures.row("x", "s", noisy(1.2, 0.05, 5, seed))
            hits += row.low <= 1.2 <= row.high
        # Nominally 95 %; five rounds are few.
        self.assertGreaterEqual(hits, 48)

    def test_differences_between_processes_widen_it(self):
        # Every process is quiet in itself, and they disagree.
        rounds = [([1.0] * 7, [1 / ratio] * 7) for ratio in (0.9, 1.0, 1.1)]
        row = figures.row("x", "s", rounds)
        self.assertAlmostEqual(row.low, 0.9)
        self.assertAlmostEqual(row.high, 1.1)

    def test_one_process_with_one_sample_has_no_spread(self):
        row = figures.row("x", "s", [([2.0], [1.0])])
        self.assertEqual((row.low, row.ratio, row.high), (2.0, 2.0, 2.0))

    def test_mean_is_known_better_than_its_parts(self):
        rows = [figures.row(str(seed), "s", noisy(1.3, 0.1, 3, seed)) for seed in range(20)]
        mean = figures.mean(rows)
        self.assertEqual(mean.count, 20)
        self.assertLess(mean.low, mean.value)
        self.assertGreater(mean.high, mean.value)
        narrowest = min(row.high / row.low for row in rows)
        self.assertLess(mean.high / mean.low, narrowest)


class Rows(unittest.TestCase):
    def test_greatest_gain_first_and_only_what_ran_on_both(self):
        result = samples.result(a={"stock": 0.02, "jit": 0.04}, b={"stock": 0.02, "jit": 0.01}, c={"stock": 0.02})
        rows = figures.rows(result, "jit")
        self.assertEqual([row.name for row in rows], ["b", "a"])
        self.assertAlmostEqual(rows[0].ratio, 2.0)

    def test_losses_and_gains(self):
        result = samples.result(a={"stock": 0.02, "jit": 0.04}, b={"stock": 0.02, "jit": 0.0202},
                                c={"stock": 0.02, "jit": 0.01}, d={"stock": 0.02, "jit": 0.03})
        rows = figures.rows(result, "jit")
        self.assertEqual([row.name for row in figures.losses(rows)], ["a", "d"])
        self.assertEqual([row.name for row in figures.gains(rows)], ["c"])


if __name__ == "__main__":
    unittest.main()
