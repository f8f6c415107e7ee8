"""What a result says about one configuration: rows, means, warm-up, memory, losses. Report, plots and baseline read this."""

from __future__ import annotations

import dataclasses
import statistics

from . import figures, warmup
from .figures import Mean, Row
from .programs import IN_C, OWN, PYPERFORMANCE


@dataclasses.dataclass
class WarmUp:
    """How one benchmark starts; seconds from the start of the process, None for what was not seen. See warmup.py."""

    name: str
    # The fixed amount of work.
    work: Row | None
    # (base, this configuration)
    to_speed: tuple[float | None, float | None]
    second_second: tuple[float | None, float | None]
    break_even: float | None
    peak: tuple[float, float]


@dataclasses.dataclass
class Comparison:
    configuration: str
    rows: list[Row]
    warmups: dict[str, WarmUp]
    # Our own programs as whole processes: elapsed time, processor time, and peak memory in bytes (base, this one).
    processes: list[Row]
    cpu: list[Row]
    process_peaks: dict[str, tuple[float, float]]

    @property
    def work_rows(self) -> list[Row]:
        found = [warm.work for warm in self.warmups.values() if warm.work is not None]
        return sorted(found, key=lambda row: (-row.ratio, row.name))

    def mean(self, suite: str | None = None) -> Mean | None:
        return figures.mean([row for row in self.rows if suite in (None, row.suite)])

    def mean_in_python(self) -> Mean | None:
        """Over pyperformance's benchmarks that are not `IN_C`."""
        return figures.mean([row for row in self.rows if row.suite == PYPERFORMANCE and row.name not in IN_C])

    def peak_growth(self) -> float | None:
        """Geometric mean of this configuration's peak memory over the base's, over all processes."""
        peaks = [warm.peak for warm in self.warmups.values()] + list(self.process_peaks.values())
        return figures.geometric_mean([b / a for a, b in peaks]) if peaks else None


def median_or_none(values: list[float | None]) -> float | None:
    """The median, with None counting as beyond everything."""
    ordered = sorted((value for value in values if value is not None))
    middle = len(values) // 2
    if not values or len(ordered) <= middle:
        return None
    return statistics.median(ordered) if len(ordered) == len(values) else ordered[middle]


def warm_up(name: str, suite: str, base: list[dict], other: list[dict]) -> WarmUp:
    def both(measure) -> tuple[float | None, float | None]:
        return tuple(median_or_none([measure(run) for run in runs]) for runs in (base, other))

    work = warmup.fixed_work(base, other)
    return WarmUp(
        name,
        figures.row(name, suite, [([a], [b]) for a, b in work]) if work else None,
        both(warmup.time_to_speed),
        both(lambda run: warmup.speed_between(run, 1.0, 2.0)),
        median_or_none([warmup.break_even(a, b) for a, b in zip(base, other)]),
        tuple(statistics.median(run["peak"] for run in runs) for runs in (base, other)),
    )


def compare(result: dict, configuration: str) -> Comparison:
    base = result["base"]
    warmups = {}
    for name, benchmark in result["benchmarks"].items():
        sides = benchmark["runs"]
        if sides.get(base) and sides.get(configuration):
            warmups[name] = warm_up(name, benchmark["suite"], sides[base], sides[configuration])
    walls, cpus, peaks = [], [], {}
    for program, sides in result["processes"].items():
        pairs = list(zip(sides.get(base, []), sides.get(configuration, [])))
        if pairs:
            walls.append(figures.row(program, OWN, [([a["wall"]], [b["wall"]]) for a, b in pairs]))
            cpus.append(figures.row(program, OWN, [([a["cpu"]], [b["cpu"]]) for a, b in pairs]))
            peaks[program] = tuple(statistics.median(pair[side]["peak"] for pair in pairs) for side in (0, 1))
    walls.sort(key=lambda row: (-row.ratio, row.name))
    return Comparison(configuration, figures.rows(result, configuration), warmups, walls, cpus, peaks)


def compare_all(result: dict) -> list[Comparison]:
    return [compare(result, name) for name in result["configurations"] if name != result["base"]]


def summary(comparison: Comparison, threshold: float) -> dict:
    """The comparison for the JSON file."""
    def plain(row: Row) -> dict:
        return {"name": row.name, "suite": row.suite, "base_seconds": row.base_seconds, "seconds": row.seconds,
                "ratio": row.ratio, "low": row.low, "high": row.high, "spread": row.spread, "rounds": row.rounds}

    def plain_mean(mean: Mean | None) -> dict | None:
        return mean and dataclasses.asdict(mean)

    return {
        "steady": plain_mean(comparison.mean()),
        "steady_by_suite": {suite: plain_mean(comparison.mean(suite)) for suite in (PYPERFORMANCE, OWN)},
        "steady_in_python": plain_mean(comparison.mean_in_python()),
        "fixed_work": plain_mean(figures.mean(comparison.work_rows)),
        "whole_processes": plain_mean(figures.mean(comparison.processes)),
        "peak_memory": comparison.peak_growth(),
        "losses": [row.name for row in figures.losses(comparison.rows, threshold)],
        "rows": [plain(row) for row in comparison.rows],
        "work_rows": [plain(row) for row in comparison.work_rows],
        "process_rows": [plain(row) for row in comparison.processes],
        "warm_up": {
            name: {"to_speed": warm.to_speed, "second_second": warm.second_second, "break_even": warm.break_even,
                   "peak": warm.peak}
            for name, warm in comparison.warmups.items()
        },
    }
