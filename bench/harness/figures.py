"""Ratios, means, confidence intervals. A ratio is time of the base over time of the other: above 1 is faster.

What is measured has two sources of spread: processes differ (memory layout, hash seeds, the machine's mood) and calls
within a process differ. A row holds both: per round, the samples of one process of each side. Intervals come from the
bootstrap over both levels: draw rounds with replacement, within them samples with replacement, and look where 95 % of
the outcomes lie. They say how far the measurement is to be trusted, not how other programs would do.
"""

from __future__ import annotations

import dataclasses
import math
import random
import statistics

DRAWS = 1000
# A ratio below this is listed as a loss, one above its inverse as a gain.
LOSS = 0.95

# Per round, the samples of the base and those of the other side, in seconds.
Rounds = list[tuple[list[float], list[float]]]


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def middle(ratios: list[float]) -> float:
    """The median; between two values the geometric mean, so that a and 1/a balance."""
    return math.exp(statistics.median(map(math.log, ratios)))


def median_of_draw(samples: list[float], draw: random.Random) -> float:
    chosen = sorted(draw.choices(samples, k=len(samples)))
    half = len(chosen) // 2
    return chosen[half] if len(chosen) % 2 else (chosen[half - 1] + chosen[half]) / 2


def drawn_logs(rounds: Rounds, seed: str, draws: int = DRAWS) -> list[float]:
    """Logarithms of the ratios that come out when rounds and samples are drawn again."""
    draw = random.Random(seed)
    logs = []
    for _ in range(draws):
        chosen = draw.choices(rounds, k=len(rounds))
        ratios = [math.log(median_of_draw(a, draw) / median_of_draw(b, draw)) for a, b in chosen]
        logs.append(statistics.median(ratios))
    return logs


def interval(logs: list[float]) -> tuple[float, float]:
    """Where 95 % of the draws lie."""
    ordered = sorted(logs)
    cut = max(1, len(ordered) // 40)
    return math.exp(ordered[cut - 1]), math.exp(ordered[-cut])


@dataclasses.dataclass
class Row:
    """One benchmark, one configuration against the base."""

    name: str
    suite: str
    base_seconds: float
    seconds: float
    ratio: float
    low: float
    high: float
    # Standard deviation of the logarithm of the ratio.
    spread: float
    rounds: list[float]
    logs: list[float] = dataclasses.field(repr=False, default_factory=list)


@dataclasses.dataclass
class Mean:
    value: float
    low: float
    high: float
    count: int


def row(name: str, suite: str, rounds: Rounds) -> Row:
    medians = [(statistics.median(a), statistics.median(b)) for a, b in rounds]
    ratios = [a / b for a, b in medians]
    logs = drawn_logs(rounds, name)
    low, high = interval(logs)
    return Row(
        name, suite, statistics.median(a for a, _ in medians), statistics.median(b for _, b in medians),
        middle(ratios), low, high, statistics.pstdev(logs), ratios, logs,
    )


def mean(rows: list[Row]) -> Mean | None:
    """The geometric mean with its interval; nothing if there are no rows."""
    if not rows:
        return None
    together = [statistics.fmean(column) for column in zip(*(row.logs for row in rows))]
    low, high = interval(together)
    return Mean(geometric_mean([row.ratio for row in rows]), low, high, len(rows))


def quick_ratio(base: list[dict], other: list[dict]) -> float:
    """The ratio alone, of what has been measured so far."""
    return middle([statistics.median(a["samples"]) / statistics.median(b["samples"]) for a, b in zip(base, other)])


def rows(result: dict, configuration: str) -> list[Row]:
    """A row per benchmark that has run on the base and under this configuration, the greatest gain first."""
    base = result["base"]
    found = []
    for name, benchmark in result["benchmarks"].items():
        sides = benchmark["runs"]
        rounds = [(a["samples"], b["samples"]) for a, b in zip(sides.get(base, []), sides.get(configuration, []))]
        if rounds:
            found.append(row(name, benchmark["suite"], rounds))
    return sorted(found, key=lambda row: (-row.ratio, row.name))


def losses(rows: list[Row], below: float = LOSS) -> list[Row]:
    """The greatest loss first."""
    return sorted((row for row in rows if row.ratio < below), key=lambda row: row.ratio)


def gains(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.ratio > 1 / LOSS]
