"""Comparison with the committed result: bench/baseline/PROCESSOR_PYTHON-BUILD.json.

A baseline holds ratios to stock, not times, so it survives a slower day of the machine, and of each its spread. It is
for one processor and one build of Python. On others, that of the same Python version tells something and fails nothing.

A program has become slower if its ratio is lower by more than TOLERANCE and by more than three times the noise, which
is the spread of both measurements together. Few rounds say little about how far processes differ, so the spread is
taken as LEAST_SPREAD / √rounds at least. And a program counts as slower only after LEAST_ROUNDS rounds; until then it is
named as not confirmed, and fails nothing.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import re

from .comparison import Comparison, compare_all
from .figures import Row

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "baseline"
TOLERANCE = 0.05
MEAN_TOLERANCE = 0.02
LEAST_SPREAD = 0.02
NOISE = 3.0
LEAST_ROUNDS = 3


def key(result: dict) -> str:
    """The file's name: what the ratios depend on besides Hotspur."""
    processor = re.sub(r"[^a-z0-9]+", "-", result["processor"].lower()).strip("-")
    return f"{processor}_{result['short']}-{result['binary'][:8]}"


def write(result: dict, folder: pathlib.Path = FOLDER) -> pathlib.Path:
    """Keeps this result as the baseline, beside what is known of configurations and programs that were not run now."""
    path = folder / f"{key(result)}.json"
    kept = json.loads(path.read_text()) if path.exists() else {"configurations": {}}
    kept |= {"processor": result["processor"], "python": result["short"], "binary": result["binary"]}
    for comparison in compare_all(result):
        described = result["configurations"][comparison.configuration]
        if not described["hotspur"]:
            continue
        programs = kept["configurations"].setdefault(comparison.configuration, {})
        for row in comparison.rows:
            programs[row.name] = {
                "ratio": round(row.ratio, 4), "spread": round(row.spread, 4), "rounds": len(row.rounds),
                "date": result["date"], "commit": result["commit"],
            }
    kept["configurations"] = {name: dict(sorted(rows.items())) for name, rows in sorted(kept["configurations"].items())}
    folder.mkdir(exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")
    return path


@dataclasses.dataclass
class Baseline:
    path: pathlib.Path
    configurations: dict[str, dict[str, dict]]
    # Made on this processor with this build of Python, so that a difference is Hotspur's.
    exact: bool


def read(result: dict, folder: pathlib.Path = FOLDER) -> Baseline | None:
    """The baseline for this machine and Python; failing that, one of the same Python version."""
    exact = folder / f"{key(result)}.json"
    paths = [exact] if exact.exists() else sorted(folder.glob(f"*_{result['short']}-*.json"))
    if not paths:
        return None
    return Baseline(paths[0], json.loads(paths[0].read_text())["configurations"], paths[0] == exact)


@dataclasses.dataclass
class Change:
    """A program whose ratio has changed beyond noise."""

    configuration: str
    name: str
    before: float
    now: float
    rounds: int

    @property
    def confirmed(self) -> bool:
        return self.rounds >= LEAST_ROUNDS

    @property
    def factor(self) -> float:
        return self.now / self.before


@dataclasses.dataclass
class Verdict:
    # Both beyond noise, confirmed or not.
    slower: list[Change]
    faster: list[Change]
    # (configuration, program) of the baseline that failed now.
    failing: list[tuple[str, str]]
    # Per configuration, over the programs that both have: geometric mean now over then, and how many they are.
    means: dict[str, tuple[float, int]]

    @property
    def mean_is_slower(self) -> list[str]:
        return [name for name, (factor, _) in self.means.items() if factor < 1 - MEAN_TOLERANCE]

    @property
    def holds(self) -> bool:
        return not (any(change.confirmed for change in self.slower) or self.failing or self.mean_is_slower)


def spread(measured: float, rounds: int) -> float:
    return max(measured, LEAST_SPREAD / math.sqrt(rounds))


def beyond_noise(before: dict, row: Row) -> bool:
    difference = abs(math.log(row.ratio / before["ratio"]))
    noise = math.hypot(spread(before["spread"], before["rounds"]), spread(row.spread, len(row.rounds)))
    return difference > max(-math.log(1 - TOLERANCE), NOISE * noise)


def judge(result: dict, baseline: Baseline, comparisons: list[Comparison] | None = None) -> Verdict:
    verdict = Verdict([], [], [], {})
    for comparison in comparisons if comparisons is not None else compare_all(result):
        known = baseline.configurations.get(comparison.configuration, {})
        logs = []
        for row in comparison.rows:
            if before := known.get(row.name):
                logs.append(math.log(row.ratio / before["ratio"]))
                if beyond_noise(before, row):
                    change = Change(comparison.configuration, row.name, before["ratio"], row.ratio, len(row.rounds))
                    (verdict.slower if row.ratio < before["ratio"] else verdict.faster).append(change)
        if logs:
            verdict.means[comparison.configuration] = math.exp(sum(logs) / len(logs)), len(logs)
        failed = result["failures"].get(comparison.configuration, {})
        # Benchmarks and programs are named alike, except for the few programs with several benchmarks.
        verdict.failing += [(comparison.configuration, name) for name in failed
                            if any(other == name or other.startswith(name + "_") for other in known)]
    verdict.slower.sort(key=lambda change: change.factor)
    verdict.faster.sort(key=lambda change: -change.factor)
    return verdict


def describe(verdict: Verdict, baseline: Baseline) -> list[str]:
    lines = [f"Compared with {baseline.path.name}" + ("" if baseline.exact else
             ", of another machine or build: for information only") + ":"]
    for configuration, (factor, count) in verdict.means.items():
        slower = "  SLOWER" if configuration in verdict.mean_is_slower else ""
        lines.append(f"  {configuration}: geometric mean of {count} benchmarks {100 * (factor - 1):+.1f} %{slower}")
    for title, changes in (("SLOWER", verdict.slower), ("faster", verdict.faster)):
        for change in changes:
            lines.append(f"  {title} {change.configuration} {change.name}: {change.before:.3f} → {change.now:.3f} "
                         f"({100 * (change.factor - 1):+.1f} %)"
                         + ("" if change.confirmed else ", not confirmed: too few rounds"))
    lines += [f"  FAILS NOW {configuration} {program}" for configuration, program in verdict.failing]
    if not verdict.means:
        lines.append("  no program in common")
    elif verdict.holds:
        lines.append("  no regression" + (" is confirmed" if verdict.slower else ""))
    return lines
