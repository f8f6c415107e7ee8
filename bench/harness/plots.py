"""Result → SVG, with matplotlib. The same result gives the same files, byte for byte."""

from __future__ import annotations

import pathlib
import statistics
import sys

from . import figures
from .comparison import Comparison, compare_all
from .libraries import matplotlib_folder

# Benchmarks whose warm-up curves are drawn, if they were measured.
CURVES = ["richards", "deltablue", "raytrace", "nbody", "go", "json_dumps", "many_functions", "closures", "shapes"]
GAIN, LOSS, NEUTRAL = "#2f6f9f", "#b5482f", "#9a9a9a"


def draw(result: dict, folder: pathlib.Path, stem: str, cache: pathlib.Path) -> list[str] | str:
    """Writes the plots into the folder; their file names, or the reason why there are none."""
    where = matplotlib_folder(cache)
    if isinstance(where, str):
        return f"No plots: matplotlib cannot be installed: {where}"
    sys.path.insert(0, str(where))
    try:
        import matplotlib
        matplotlib.use("svg")
        import matplotlib.pyplot as pyplot
    except ImportError as error:
        return f"No plots: matplotlib cannot be imported: {error}"
    finally:
        sys.path.remove(str(where))
    # Text stays text (small, and searchable); names of clip paths do not depend on chance.
    pyplot.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "hotspur", "font.size": 8, "font.family": "sans-serif",
        "axes.spines.top": False, "axes.spines.right": False, "figure.constrained_layout.use": True,
    })
    names = []

    def save(figure, what: str) -> None:
        name = f"{stem}-{what}.svg"
        figure.savefig(folder / name, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
        names.append(name)

    for comparison in compare_all(result):
        if comparison.rows:
            save(bars(pyplot, comparison, result["base"]), f"{comparison.configuration}-speed")
    if any(name in result["benchmarks"] for name in CURVES):
        save(curves(pyplot, result), "warm-up")
    for program, sides in scaled(result).items():
        save(scaling(pyplot, result, sides), program)
    return names


def bars(pyplot, comparison: Comparison, base: str):
    """Speed-ups, sorted, on a logarithmic axis on which twice as fast is as long as twice as slow."""
    rows = comparison.rows[::-1]
    figure, axes = pyplot.subplots(figsize=(6.5, 0.8 + 0.14 * len(rows)))
    colours = [LOSS if row.ratio < figures.LOSS else GAIN if row.ratio > 1 / figures.LOSS else NEUTRAL for row in rows]
    places = range(len(rows))
    axes.barh(places, [row.ratio - 1 for row in rows], left=1, color=colours, height=0.75)
    axes.hlines(places, [row.low for row in rows], [row.high for row in rows], color="black", linewidth=0.6)
    axes.set_xscale("log")
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    ticks = [tick for tick in (0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50)
             if min(low, 0.9) * 0.9 <= tick <= max(high, 1.1) * 1.1]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(places, [row.name for row in rows], fontsize=6)
    axes.margins(y=0.01)
    axes.axvline(1, color="black", linewidth=0.8)
    mean = comparison.mean()
    axes.axvline(mean.value, color="black", linewidth=0.8, linestyle=":")
    axes.set_title(f"{comparison.configuration}: times as fast as {base} "
                   f"(geometric mean {mean.value:.3f}, {mean.low:.3f}–{mean.high:.3f})", fontsize=8)
    return figure


def curves(pyplot, result: dict):
    """The speed of each early call, relative to the steady speed of the base, against time since the process started."""
    chosen = [name for name in CURVES if result["base"] in result["benchmarks"].get(name, {}).get("runs", {})]
    columns = min(3, len(chosen))
    lines = -(-len(chosen) // columns)
    figure, grid = pyplot.subplots(lines, columns, figsize=(2.4 * columns, 0.8 + 1.7 * lines), squeeze=False)
    flat = [axes for line in grid for axes in line]
    for axes in flat[len(chosen):]:
        axes.set_axis_off()
    for name, axes in zip(chosen, flat):
        runs = result["benchmarks"][name]["runs"]
        unit = statistics.median(statistics.median(run["samples"]) for run in runs[result["base"]])
        for index, configuration in enumerate(result["configurations"]):
            for run in runs.get(configuration, [])[:1]:
                times = [end - seconds / 2 for end, _, seconds in run["curve"]]
                speeds = [loops * unit / max(seconds, 1e-9) for _, loops, seconds in run["curve"]]
                axes.plot(times, speeds, color=f"C{index}", linewidth=0.9, label=configuration)
        axes.set_title(name, fontsize=8)
        axes.set_xlim(left=0)
        # Logarithmic, because a tracing JIT is a fraction at first and a multiple later.
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= tick <= high]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_yticks([], minor=True)
    figure.supxlabel("seconds since the process started", fontsize=8)
    figure.supylabel(f"speed ({result['base']} when warm: 1)", fontsize=8)
    handles, labels = flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def scaled(result: dict) -> dict[str, dict]:
    """The programs that were measured at more than one size: one size makes no line."""
    return {program: sides for program, sides in result["scaling"].items()
            if any(len(measured) > 1 for measured in sides.values())}


def scaling(pyplot, result: dict, sides: dict):
    """Time per iteration against the number of iterations, both axes logarithmic."""
    figure, axes = pyplot.subplots(figsize=(5, 3))
    for index, configuration in enumerate(result["configurations"]):
        if measured := sides.get(configuration):
            sizes = sorted(map(int, measured))
            values = [statistics.median(measured[str(size)]) / size * 1e9 for size in sizes]
            axes.plot(sizes, values, marker="o", markersize=3, linewidth=1, color=f"C{index}", label=configuration)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("iterations, in a fresh process")
    axes.set_ylabel("nanoseconds per iteration")
    axes.legend(frameon=False)
    return figure
