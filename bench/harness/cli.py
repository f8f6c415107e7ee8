"""The commands: `python3 bench run | quick | list | coverage | report`. README.md describes them."""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import time

from progress import Progress, duration
from target_python import add_target_options, end_cleanly_on_signals, name_and_value

from . import baseline, comparison, configurations, coverage, figures, plots, publish, report
from .libraries import default_cache, from_command_line
from .programs import OWN, PYPERFORMANCE, choose
from .running import Bench, headline

# What `run` and `quick` do unless told otherwise. (seconds, seconds, count, seconds, processes, starts)
# `quick` is for machines in use: processor time does not see what else they do.
USUAL = {"warmup": 2.0, "sample": 0.08, "samples": 7, "longest": 2.0, "rounds": 3, "startup_rounds": 40,
         "clock": "wall"}
QUICK = {"warmup": 0.25, "sample": 0.04, "samples": 5, "longest": 0.4, "rounds": 2, "startup_rounds": 0,
         "clock": "cpu"}
COVERAGE = QUICK | {"warmup": 1.0, "rounds": 1}

# Seconds after which `quick` runs no further program, and none for a second look.
QUICK_BUDGET = 85.0
SECOND_LOOK_BUDGET = 100.0
# A baseline that was measured with less of a core than this is warned about.
BUSY = 0.85
# Rounds that a program gets that looks slower than in the baseline.
SECOND_LOOK = 3


def timing_options(usual: dict[str, float]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("how to measure")
    group.add_argument("--rounds", type=int, help="processes per program and configuration (%(default)s)")
    group.add_argument("--warmup", type=float, help="seconds before the first sample (%(default)s)")
    group.add_argument("--sample", type=float, help="seconds of one sample, at least (%(default)s)")
    group.add_argument("--samples", type=int, help="samples per process (%(default)s)")
    group.add_argument("--longest", type=float, help="seconds of sampling after which two samples suffice (%(default)s)")
    group.add_argument("--startup-rounds", type=int, help="starts of each configuration with nothing to do (%(default)s)")
    group.add_argument("--sizes", type=int, help="only so many, the smallest, of a program that scales")
    group.add_argument("--clock", choices=["wall", "cpu"],
                       help="(%(default)s) cpu: processor time of the process, for a machine that is busy with other things")
    group.add_argument("--timeout", type=float, default=180, help="seconds for one process (%(default)s)")
    group.add_argument("--cpu", type=int, help="the core to run on (the last one); -1: no pinning")
    parser.set_defaults(**usual)
    return parser


def common_options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("programs", nargs="*", help="names, from `list`; default: all that the command is for")
    add_target_options(parser, sys.executable)
    parser.add_argument("--cache", default=default_cache(), help="where downloaded libraries are kept (%(default)s)")
    parser.add_argument("--refresh", action="store_true", help="download the libraries again")
    parser.add_argument("--suite", choices=[PYPERFORMANCE, OWN], help="only pyperformance's or only our own programs")
    group = parser.add_argument_group("what to compare with stock")
    group.add_argument("--configs", metavar="NAME,...",
                       help=f"of {', '.join([*configurations.HOTSPUR, *configurations.CONTROLS, configurations.BASE])} (hotspur)")
    group.add_argument("--peer", action="append", type=configurations.parse_peer, default=[], metavar="NAME=COMMAND",
                       help="another interpreter: NAME=[VARIABLE=VALUE ...] INTERPRETER [OPTION ...]")
    group.add_argument("--config", action="append", default=[], metavar="NAME:KEY=VALUE,...",
                       help="Hotspur with this environment (the key `python`: another interpreter)")
    group.add_argument("--env", action="append", type=name_and_value, default=[], metavar="NAME=VALUE",
                       help="for all Hotspur configurations")
    return parser


def result_options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("the result")
    group.add_argument("--output", metavar="NAME", help="write NAME.json, NAME.md and NAME-*.svg")
    group.add_argument("--publish", type=pathlib.Path, metavar="DOCS",
                       help="write the pictures and the measured part of DOCS/results.md")
    group.add_argument("--no-plots", action="store_true", help="no SVG files (matplotlib is not downloaded)")
    group.add_argument("--threshold", type=float, default=figures.LOSS, help="a ratio below is a loss (%(default)s)")
    group.add_argument("--require-mean", type=float, help="exit with 1 if a geometric mean is lower")
    group.add_argument("--require-each", type=float, help="exit with 1 if one program's ratio is lower")
    group.add_argument("--save-baseline", action="store_true", help="make this the result to compare with from now on")
    return parser


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=(
        "Measures programs on stock CPython, under Hotspur, and under other Pythons, interleaved. bench/README.md describes it."))
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, about: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=about, description=about, parents=parents)

    common, result = common_options(), result_options()
    command("run", "Measure everything.", common, timing_options(USUAL), result).set_defaults(whole=True)
    command("quick", "A subset in under two minutes, compared with the committed result.", common,
            timing_options(QUICK), result).set_defaults(whole=False)
    command("list", "Name the programs, and those left out with the reason.", common, timing_options(QUICK))
    covering = command("coverage", "How much is executed in tier 2, and what keeps the rest out.", common,
                       timing_options(COVERAGE))
    covering.add_argument("--least", type=float, default=0.9, help="exit with 1 if a program's share is lower")
    covering.add_argument("--output", metavar="FILE", help="append the counts, one JSON line per program")
    covering.set_defaults(whole=False, threshold=figures.LOSS)
    again = command("report", "Write NAME.md and the plots again from NAME.json.")
    again.add_argument("result", type=pathlib.Path, help="NAME.json")
    again.add_argument("--cache", default=default_cache())
    again.add_argument("--no-plots", action="store_true")
    again.add_argument("--publish", type=pathlib.Path, metavar="DOCS",
                       help="write the pictures and the measured part of DOCS/results.md, too")
    return parser.parse_args(arguments)


def write_report(result: dict, path: pathlib.Path, options: argparse.Namespace) -> None:
    """NAME.md and NAME-*.svg beside the result's file."""
    drawn = "" if options.no_plots else plots.draw(result, path.parent, path.stem, pathlib.Path(options.cache))
    if isinstance(drawn, str) and drawn:
        print(drawn, file=sys.stderr)
    path.with_suffix(".md").write_text(report.markdown(result, drawn))


def good_enough(result: dict, comparisons: list[comparison.Comparison], options: argparse.Namespace) -> bool:
    """Whether everything ran that had to, and what was required was reached."""
    good = any(each.rows or each.processes for each in comparisons) or bool(result["scaling"])
    for name, programs in result["failures"].items():
        # A peer that cannot run a program is named in the report, and no failure of ours.
        if programs and not result["configurations"].get(name, {}).get("peer"):
            good = False
    for each in comparisons:
        if result["configurations"][each.configuration]["hotspur"] and each.rows:
            if options.require_mean and each.mean().value < options.require_mean:
                good = False
            if options.require_each and each.rows[-1].ratio < options.require_each:
                good = False
    return good


def measure(options: argparse.Namespace) -> int:
    started = time.monotonic()
    quick = options.command == "quick"
    bench = Bench(options)
    progress = Progress(0)
    try:
        chosen, left_out = choose(bench.libraries.programs, options.programs, quick, options.suite)
        bench.result["left_out"] |= left_out
        chosen = bench.needed(chosen)
        bench.copy_libraries()
        progress = Progress(len(chosen) * options.rounds)
        # A result to keep is worth the time that it takes.
        limit = started + QUICK_BUDGET if quick and not options.save_baseline else None
        bench.measure(chosen, progress, limit)
        verdict, known = None, None
        if quick and not options.save_baseline and (known := baseline.read(bench.result)):
            verdict = baseline.judge(bench.result, known)
            slower = {change.name for change in verdict.slower}
            suspects = [program for program in chosen if any(
                benchmark["program"] == program.name and name in slower
                for name, benchmark in bench.result["benchmarks"].items())]
            if suspects:
                bench.again(suspects, SECOND_LOOK, started + SECOND_LOOK_BUDGET, progress)
                verdict = baseline.judge(bench.result, known)
    finally:
        progress.end()
        bench.target.remove()
    result = bench.result
    comparisons = comparison.compare_all(result)
    result["comparisons"] = {each.configuration: comparison.summary(each, options.threshold) for each in comparisons}
    if options.output:
        path = pathlib.Path(options.output + ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result) + "\n")
        write_report(result, path, options)
    if options.publish:
        publish.publish(result, options.publish, pathlib.Path(options.cache))
    print(report.markdown(result, short=quick or bool(options.output)))
    good = good_enough(result, comparisons, options)
    for name, programs in result["failures"].items():
        for program, error in programs.items():
            print(f"FAILED {name} {program}: {headline(error)}", file=sys.stderr)
    if verdict is not None:
        print("\n".join(baseline.describe(verdict, known)))
        if known.exact and not verdict.holds:
            good = False
    elif quick and not options.save_baseline:
        print("Nothing to compare with: there is no committed result for this Python. --save-baseline makes one.")
    if options.save_baseline:
        print(f"baseline: {baseline.write(result)}")
        if result["busy"] < BUSY * result["wall"]:
            print("The machine was busy with other things meanwhile: better measure again when it is not.")
    print(f"{duration(time.monotonic() - started)}", file=sys.stderr)
    return 0 if good else 1


def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    end_cleanly_on_signals()
    if options.command == "report":
        result = json.loads(options.result.read_text())
        write_report(result, options.result, options)
        if options.publish:
            publish.publish(result, options.publish, pathlib.Path(options.cache))
        return 0
    if options.command == "list":
        available = from_command_line(options).programs
        chosen, left_out = choose(available, options.programs, False, options.suite)
        print("\n".join(f"{program.name} ({program.suite})" for program in chosen))
        print("\n".join(f"left out: {name}: {reason}" for name, reason in left_out.items()))
        return 0
    return coverage.measure(options) if options.command == "coverage" else measure(options)
