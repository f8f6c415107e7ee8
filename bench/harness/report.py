"""Result → Markdown. Ratios are "times as fast as the base": above 1 is faster, and losses stand before the tables."""

from __future__ import annotations

import statistics

from . import comparison, figures
from .comparison import Comparison
from .figures import Mean, Row
from .programs import IN_C, OWN, PYPERFORMANCE

NOTHING = "–"


def table(head: list[str], rows: list[list[str]], left: int = 1) -> list[str]:
    """A Markdown table; the first columns are flushed left, the others right."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]


def ratio(row: Row | Mean | None) -> str:
    if row is None:
        return NOTHING
    value = row.value if isinstance(row, Mean) else row.ratio
    # One run each says nothing about spread.
    return f"{value:.3f}" + (f" ({row.low:.3f}–{row.high:.3f})" if row.low < row.high else "")


def number(value: float | None, form: str = ".2f", unit: str = "") -> str:
    return NOTHING if value is None else f"{value:{form}}{unit}"


def pair(values: tuple[float | None, float | None], form: str = ".2f", unit: str = "") -> str:
    """Base → configuration."""
    return f"{number(values[0], form, unit)} → {number(values[1], form, unit)}"


def megabytes(bytes_pair: tuple[float, float]) -> str:
    return pair((bytes_pair[0] / 1e6, bytes_pair[1] / 1e6), ".1f")


def header(result: dict) -> list[str]:
    settings = result["settings"]
    version = result["python"].split(" (")[0]
    rounds = "1 round" if settings["rounds"] == 1 else f"{settings['rounds']} rounds"
    lines = [
        f"Python {version} on {result['processor']}"
        + (f", core {result['cpu']}" if result["cpu"] >= 0 else "")
        + f"; {result['date']}, commit {result['commit'] or 'unknown'}.",
        f"{rounds}, interleaved; {settings['samples']} samples of {settings['sample'] * 1e3:.0f} ms "
        f"after {settings['warmup']} s of warm-up; {settings['clock']} clock.",
        *([f"The processes ran for {result['busy'] / result['wall']:.0%} of their time; the rest is waiting, for a processor "
           "that does something else or for input and output."] if result["wall"] else []),
        *(["All times are processor time, except those of start-up and “elapsed”."] if settings["clock"] == "cpu" else []),
        "", f"Ratios are {result['base']}'s time over the configuration's: above 1 is faster. In brackets, 95 % intervals.", "",
    ]
    rows = [
        [name, described["description"], " ".join(f"{k}={v}" for k, v in described["env"].items()) or NOTHING]
        for name, described in result["configurations"].items()
    ]
    return lines + table(["configuration", "interpreter", "environment"], rows, 3)


def overview(result: dict, comparisons: list[Comparison], threshold: float) -> list[str]:
    rows = []
    for each in comparisons:
        seconds = [warm.second_second[1] for warm in each.warmups.values() if warm.second_second[1] is not None]
        speeds = [warm.to_speed[1] for warm in each.warmups.values() if warm.to_speed[1] is not None]
        slowest = each.rows[-1] if each.rows else None
        rows.append([
            each.configuration, ratio(each.mean()), ratio(each.mean(PYPERFORMANCE)), ratio(each.mean_in_python()),
            ratio(each.mean(OWN)),
            f"{len(figures.gains(each.rows))} / {len(figures.losses(each.rows, threshold))} of {len(each.rows)}",
            f"{slowest.name} {slowest.ratio:.3f}" if slowest else NOTHING,
            ratio(figures.mean(each.work_rows)), ratio(figures.mean(each.processes)),
            number(statistics.median(speeds) if speeds else None, ".2f", " s"),
            number(figures.geometric_mean(seconds) if seconds else None),
            number(each.peak_growth(), ".2f", "×"),
        ])
    head = ["configuration", "steady state, all", "pyperformance", "in Python", "our programs", "gains / losses", "slowest",
            "fixed work", "whole processes", "90 % of speed after", "second second", "peak memory"]
    said = f"*in Python*: of pyperformance all but {', '.join(sorted(IN_C))}, which measure code in C (`bench/harness/programs.py` says which)."
    return ["## Geometric means", "", *table(head, rows), "", said]


def losses(comparisons: list[Comparison], threshold: float) -> list[str]:
    """Everything that is slower than on the base, by more than the threshold."""
    lines = ["## Losses", "", f"Below {threshold}, in steady state, for the fixed work, or as whole processes.", ""]
    for each in comparisons:
        kinds = (("steady state", each.rows), ("fixed work", each.work_rows), ("whole process", each.processes))
        rows = [
            [row.name, kind, f"{row.base_seconds * 1e3:.3f}", f"{row.seconds * 1e3:.3f}", ratio(row)]
            for kind, all_rows in kinds for row in figures.losses(all_rows, threshold)
        ]
        if rows:
            lines += [f"**{each.configuration}**: {len(rows)}", ""]
            lines += [*table(["program", "what", "base, ms", "ms", "times as fast"], rows, 2), ""]
        else:
            lines += [f"**{each.configuration}**: none.", ""]
    return lines[:-1]


def steady_state(result: dict, comparisons: list[Comparison]) -> list[str]:
    """One line per benchmark with all configurations side by side, sorted by the first."""
    by_name = [{row.name: row for row in each.rows} for each in comparisons]
    names = list(dict.fromkeys(name for rows in by_name for name in rows))
    rows = []
    for name in names:
        cells = [rows.get(name) for rows in by_name]
        base = next(row.base_seconds for row in cells if row is not None)
        rows.append([name, f"{base * 1e3:.3f}", *map(ratio, cells)])
    head = ["program", f"{result['base']}, ms", *(each.configuration for each in comparisons)]
    return ["## Steady state", "", *table(head, rows)] if rows else []


def warm_up(result: dict, comparisons: list[Comparison]) -> list[str]:
    lines = []
    for each in comparisons:
        rows = []
        for row in each.work_rows:
            warm = each.warmups[row.name]
            rows.append([
                row.name, pair((row.base_seconds, row.seconds), ".3f"), ratio(row), pair(warm.to_speed),
                pair(warm.second_second), number(warm.break_even, ".2f") if warm.break_even is not None else "never",
                megabytes(warm.peak),
            ])
        if rows:
            head = ["program", "fixed work, s", "times as fast", "90 % of speed after, s", "second second",
                    "break-even, s", "peak, MB"]
            lines += [f"## Warm-up: {each.configuration}", "",
                      f"{result['base']} → {each.configuration}. Fixed work is what {result['base']} does in its first "
                      "second, start-up included.", "", *table(head, rows), ""]
    return lines[:-1]


def whole_processes(comparisons: list[Comparison]) -> list[str]:
    lines = []
    for each in comparisons:
        cpu = {row.name: row for row in each.cpu}
        rows = [
            [row.name, pair((row.base_seconds, row.seconds), ".3f"), ratio(row), ratio(cpu[row.name]),
             megabytes(each.process_peaks[row.name])]
            for row in each.processes
        ]
        if rows:
            head = ["program", "elapsed, s", "times as fast", "in processor time", "peak, MB"]
            lines += [f"## Whole processes: {each.configuration}", "", *table(head, rows), ""]
    return lines[:-1]


def scaling(result: dict) -> list[str]:
    """Nanoseconds per iteration of a cold process."""
    lines = []
    for program, sides in result["scaling"].items():
        names = [name for name in result["configurations"] if name in sides]
        sizes = sorted({int(size) for side in sides.values() for size in side})
        rows = []
        for size in sizes:
            cells = [sides[name].get(str(size)) for name in names]
            rows.append([f"{size:,}", *(NOTHING if cell is None else f"{statistics.median(cell) / size * 1e9:.1f}"
                                        for cell in cells)])
        lines += [f"## Time per iteration in a fresh process: {program}", "", "Nanoseconds.", "",
                  *table(["iterations", *names], rows, 0), ""]
    return lines[:-1]


def startup(result: dict) -> list[str]:
    measured = result["startup"]
    if not measured:
        return []
    base = {key: statistics.median(values) for key, values in measured[result["base"]].items()}
    rows = []
    for name, values in measured.items():
        seconds, peak = statistics.median(values["seconds"]), statistics.median(values["peak"])
        rows.append([name, f"{seconds * 1e3:.1f}", f"{(seconds - base['seconds']) * 1e3:+.1f}", f"{peak / 1e6:.1f}",
                     f"{(peak - base['peak']) / 1e6:+.1f}"])
    head = ["`-c pass`", "median, ms", "over base, ms", "peak, MB", "over base, MB"]
    return ["## Start-up", "", *table(head, rows)]


def not_measured(result: dict) -> list[str]:
    lines = []
    for configuration, programs in result["failures"].items():
        for program, error in programs.items():
            last = (error.strip().splitlines() or [""])[-1]
            lines.append(f"* **{configuration}** does not run {program}: {last}")
    lines += [f"* {program}: {reason}" for program, reason in result["left_out"].items()]
    return ["## Not measured", "", *lines] if lines else []


def markdown(result: dict, plots: list[str] | str = "", short: bool = False) -> str:
    """The report. `plots` are file names beside it, or the reason why there are none.

    The short one is for the terminal: means, losses, steady state and what was not measured.
    """
    comparisons = comparison.compare_all(result)
    threshold = result["settings"]["threshold"]
    sections = [
        ["# Benchmarks", "", *header(result)], overview(result, comparisons, threshold), losses(comparisons, threshold),
        steady_state(result, comparisons), warm_up(result, comparisons), whole_processes(comparisons), scaling(result),
        startup(result),
        [plots] if isinstance(plots, str) and plots else [f"![{name}]({name})" for name in plots],
        not_measured(result),
    ]
    if short:
        sections = [*sections[:4], not_measured(result)]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"
