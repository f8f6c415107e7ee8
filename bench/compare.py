#!/usr/bin/env python3
"""Time pyperformance's pure-Python programs on one CPython, stock against Hotspur, interleaved in one run.

    compare.py --python PYTHON --engine libhotspur_engine.so [--quick | PROGRAM...]
    compare.py --chroot TREE --python python3.13 ...         the same inside another Linux tree (needs root)
    compare.py --config 'stock2:HOTSPUR=0' ...               a further configuration, measured against stock as well

README.md beside this file says how it is measured and what the figures mean. Needs nothing but Python 3.11's standard
library and pip; pyperformance and the libraries that its programs use come from PyPI.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import pathlib
import platform
import random
import shutil
import statistics
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tools"))

from target_python import (  # noqa: E402
    Target, add_target_options, default_signals, end_cleanly_on_signals, inactive, kill_group, name_and_value,
)

PYPERFORMANCE = "pyperformance==1.14.0"

# Programs of pyperformance that are not measured unless named on the command line.
LEFT_OUT = {
    "2to3": "times a command, and lib2to3 is gone from 3.13",
    "hg_startup": "times a command",
    "python_startup": "times a command; start-up is measured by us",
    "python_startup_no_site": "times a command; start-up is measured by us",
    "dask": "many compiled dependencies",
    "fastapi": "compiled dependencies",
    "sqlalchemy_declarative": "compiled dependencies",
    "sqlalchemy_imperative": "compiled dependencies",
    "sphinx": "minutes per round",
    "coverage": "times a tracing tool, and grows with each loop",
    "gc_traversal": "times the collector alone, no Python code",
}
# These differ from others only in a scheduling detail and would weigh asyncio many times in the mean.
VARIANTS = ("_tg", "_eager")

# Pinned to a version by pyperformance that installs and does not run on 3.13.
TOO_OLD = {"django"}

# Packages without dependencies or compiled parts that exist as source only.
FROM_SOURCE = {"pyaes"}

QUICK = [
    "richards", "deltablue", "raytrace", "chaos", "float", "nbody", "spectral_norm", "fannkuch", "go", "hexiom",
    "nqueens", "generators", "coroutines", "comprehensions", "pyflate", "deepcopy", "json_dumps", "logging",
    "pickle_pure_python", "regex_compile", "unpack_sequence",
]


@dataclasses.dataclass
class Configuration:
    name: str
    env: dict[str, str]
    # Another interpreter than the one under test; None: that one.
    python: str | None = None
    # A run in which Hotspur should have been active and was not is an error, not a result.
    hotspur: bool = False


@dataclasses.dataclass
class Program:
    """An entry of pyperformance's manifest: a script and the arguments that select a variant of it."""

    name: str
    script: pathlib.Path
    arguments: list[str]
    requirements: pathlib.Path | None


# ---- pyperformance and the libraries its programs need --------------------------------------------------------------


def read_manifest(folder: pathlib.Path) -> dict[str, Program]:
    programs = {}
    for line in (folder / "MANIFEST").read_text().splitlines():
        name, tab, where = line.partition("\t")
        if not tab or name.startswith("#") or not where.startswith("<local"):
            continue
        base = where.strip("<>").removeprefix("local").removeprefix(":") or name
        home = folder / f"bm_{base}"
        meta = home / ("pyproject.toml" if base == name else f"bm_{name}.toml")
        options = tomllib.loads(meta.read_text()).get("tool", {}).get("pyperformance", {})
        requirements = home / "requirements.txt"
        programs[name] = Program(
            name, home / options.get("runscript", "run_benchmark.py"), options.get("extra_opts", []),
            requirements if requirements.exists() else None,
        )
    return programs


def find_pip(python: str, scratch: pathlib.Path) -> list[str]:
    for candidate in (sys.executable, python):
        command = [candidate, "-m", "pip"]
        try:
            if subprocess.run([*command, "--version"], capture_output=True).returncode == 0:
                return command
        except OSError:
            continue
    subprocess.run([sys.executable, "-m", "venv", scratch / "pip"], check=True)
    return [str(scratch / "pip" / "bin" / "python"), "-m", "pip"]


class Libraries:
    """pyperformance and what its programs import, for Python 3.13, in a folder that later runs use again."""

    def __init__(self, options: argparse.Namespace):
        self.folder = pathlib.Path(options.cache) / "python3.13"
        if options.refresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pip = find_pip(options.python, pathlib.Path(options.cache))
        self.notes = self.folder / "installed.json"
        # What was tried: requirement file (or package) to error text, or "" for success.
        self.tried: dict[str, str] = json.loads(self.notes.read_text()) if self.notes.exists() else {}
        # Without dependencies: pyperf is what run_one.py stands in for.
        if error := self.install("pyperformance", ["--no-deps", PYPERFORMANCE]):
            raise SystemExit(f"pyperformance cannot be installed:\n{error}")
        self.programs = read_manifest(self.folder / "pyperformance" / "data-files" / "benchmarks")

    def install(self, key: str, arguments: list[str]) -> str:
        if key not in self.tried:
            wheels = ["--python-version", "3.13", "--only-binary=:all:"]
            if key.split("==")[0] in FROM_SOURCE:
                wheels = ["--no-deps"]
            done = subprocess.run(
                [*self.pip, "install", "--quiet", "--disable-pip-version-check", "--upgrade", "--target", self.folder,
                 *wheels, *arguments],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            self.tried[key] = "" if done.returncode == 0 else done.stdout.strip()[-2000:]
            self.notes.write_text(json.dumps(self.tried, indent=1))
        return self.tried[key]

    def provide(self, program: Program) -> str:
        """Installs what the program needs; the reason why not, otherwise."""
        if program.requirements is None:
            return ""
        for line in program.requirements.read_text().splitlines():
            pinned = line.split("#")[0].strip()
            name = pinned.split("==")[0].split("[")[0]
            if not name:
                continue
            # An old pinned version may have no wheel for 3.13 where the current one has.
            error = "too old" if name in TOO_OLD else self.install(pinned, [pinned])
            if error and (error := self.install(name, [name])):
                return error
        return ""


class NotRunnable(Exception):
    """Stock cannot run the program either, so there is nothing to compare."""


# ---- measuring ------------------------------------------------------------------------------------------------------


class Bench:
    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.libraries = Libraries(options)
        self.target = Target(options)
        if options.engine or options.wheel:
            self.target.install(options)
        self.configurations = [Configuration("stock", {"HOTSPUR": "0"})]
        if options.engine or options.wheel:
            self.configurations.append(Configuration("hotspur", {"HOTSPUR": "1"} | dict(options.env), hotspur=True))
        self.configurations += [parse_configuration(text) for text in options.config]
        self.place = self.target.work / "bench"
        self.place.mkdir()
        shutil.copy2(HERE / "run_one.py", self.place)
        shutil.copy2(HERE / "startup.py", self.place)
        self.serial = 0
        # What run_one.py is told besides how to time.
        self.extra_settings: dict[str, object] = {}
        self.cpu = options.cpu
        if self.cpu is None:
            self.cpu = max(os.sched_getaffinity(0))

    def copy_libraries(self) -> None:
        """The tree under test sees only what is inside it. Links cost nothing where the file system is the same."""
        def link(source: str, destination: str) -> None:
            try:
                os.link(source, destination)
            except OSError:
                shutil.copy2(source, destination)

        shutil.copytree(self.libraries.folder, self.place / "lib", copy_function=link)

    def prepare_child(self) -> None:
        default_signals()
        if self.cpu >= 0:
            os.sched_setaffinity(0, {self.cpu})

    def interpreter(self, configuration: Configuration) -> str:
        return configuration.python or self.target.python

    def run_once(self, program: Program, configuration: Configuration, seed: int) -> tuple[dict[str, dict], str]:
        """One process: its results by benchmark name, or what went wrong."""
        self.serial += 1
        folder = self.place / f"r{self.serial}"
        (folder / "reports").mkdir(parents=True)
        inside = self.target.inside
        settings = {
            "warmup": self.options.warmup, "sample": self.options.sample, "samples": self.options.samples,
            "clock": self.options.clock, "longest": self.options.longest, "output": inside(folder / "out"),
            "libraries": inside(self.place / "lib"),
        } | self.extra_settings
        script = self.place / "lib" / program.script.relative_to(self.libraries.folder)
        argv = [self.interpreter(configuration), inside(self.place / "run_one.py"), json.dumps(settings),
                inside(script), *program.arguments]
        # The same hash seed for all configurations of a round: it decides the order of sets and so the work done.
        extra = {"PYTHONHASHSEED": str(seed), "TMPDIR": inside(folder), "HOTSPUR_REPORT": inside(folder / "reports")}
        process = subprocess.Popen(
            self.target.command(argv), env=self.target.environment(extra | configuration.env), cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            preexec_fn=self.prepare_child, start_new_session=True,
        )
        try:
            log, _ = process.communicate(timeout=self.options.timeout)
            error = f"exit status {process.returncode}: {log.strip()[-1500:]}" if process.returncode else ""
        except subprocess.TimeoutExpired:
            error = f"no end after {self.options.timeout} s"
        finally:
            kill_group(process)
            process.wait()
        if not error and configuration.hotspur:
            error = inactive(folder / "reports" / f"{process.pid}.json")
        results = {}
        if not error:
            try:
                lines = [json.loads(line) for line in (folder / "out").read_text().splitlines()]
                results = {line["name"]: line for line in lines}
            except OSError:
                error = "no benchmark was run"
        shutil.rmtree(folder, ignore_errors=True)
        return results, error

    def run_program(self, program: Program) -> tuple[dict[str, dict[str, list[dict]]], str]:
        """All rounds of one program: measurements by benchmark and configuration."""
        measured: dict[str, dict[str, list[dict]]] = {}
        for number in range(self.options.rounds):
            # A B, B A, A B, ...: a machine that drifts in one direction then favours nobody.
            order = self.configurations if number % 2 == 0 else self.configurations[::-1]
            for configuration in order:
                results, error = self.run_once(program, configuration, number + 1)
                if error:
                    if configuration.name == "stock":
                        raise NotRunnable(error)
                    return {}, f"{configuration.name}: {error}"
                for name, line in results.items():
                    measured.setdefault(name, {}).setdefault(configuration.name, []).append(line)
        return measured, ""

    def startup(self) -> dict:
        described = [
            {"name": c.name, "command": [self.interpreter(c)], "env": c.env} for c in self.configurations
        ]
        argv = [self.target.python, self.target.inside(self.place / "startup.py"), json.dumps(described),
                str(self.options.startup_rounds)]
        done = subprocess.run(
            self.target.command(argv), env=self.target.environment({"HOTSPUR": "0"}), stdout=subprocess.PIPE, text=True,
            preexec_fn=self.prepare_child,
        )
        return json.loads(done.stdout) if done.returncode == 0 else {}


# ---- figures --------------------------------------------------------------------------------------------------------


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def middle(ratios: list[float]) -> float:
    """The median; between two values the geometric mean, so that a and 1/a balance."""
    return math.exp(statistics.median(map(math.log, ratios)))


def confidence(ratios: list[list[float]]) -> tuple[float, float]:
    """95 % of the geometric means that come out when each program's rounds are drawn again with replacement."""
    draw = random.Random(1)
    means = sorted(
        geometric_mean([middle(draw.choices(rounds, k=len(rounds))) for rounds in ratios])
        for _ in range(1000)
    )
    return means[25], means[-26]


def compare(measured: dict[str, dict[str, list[dict]]], configuration: str) -> list[dict]:
    """A row per benchmark: how many times as fast as stock, per round and overall."""
    rows = []
    for name, sides in measured.items():
        if configuration not in sides:
            continue
        stock = [statistics.median(line["samples"]) for line in sides["stock"]]
        other = [statistics.median(line["samples"]) for line in sides[configuration]]
        rounds = [a / b for a, b in zip(stock, other)]
        rows.append({
            "name": name, "stock_seconds": statistics.median(stock), "seconds": statistics.median(other),
            "ratio": middle(rounds), "rounds": rounds,
        })
    return rows


def table(configuration: str, rows: list[dict], options: argparse.Namespace) -> tuple[str, dict]:
    mean = geometric_mean([row["ratio"] for row in rows])
    low, high = confidence([row["rounds"] for row in rows])
    slow = [row["name"] for row in rows if row["ratio"] < options.threshold]
    lines = [
        f"| program | stock, ms | {configuration}, ms | times as fast | lowest–highest |", "|---|---:|---:|---:|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['name']} | {row['stock_seconds'] * 1e3:.3f} | {row['seconds'] * 1e3:.3f} | {row['ratio']:.3f} "
            f"| {min(row['rounds']):.3f}–{max(row['rounds']):.3f} |"
        )
    lines += [
        "", f"Geometric mean of {len(rows)} benchmarks, {configuration} over stock: **{mean:.3f}** "
        f"(95 % of measurements: {low:.3f}–{high:.3f})",
        f"Below {options.threshold}: {', '.join(slow) or 'none'}",
    ]
    return "\n".join(lines), {"geometric_mean": mean, "low": low, "high": high, "below_threshold": slow, "rows": rows}


def startup_lines(startup: dict) -> list[str]:
    lines = ["", "| start-up, `-c pass` | median, ms | over stock, ms | peak, MB | over stock, MB |",
             "|---|---:|---:|---:|---:|"]
    for name, values in startup.items():
        seconds, peak = statistics.median(values["seconds"]), statistics.median(values["peak"])
        base = startup["stock"]
        lines.append(
            f"| {name} | {seconds * 1e3:.1f} | {(seconds - statistics.median(base['seconds'])) * 1e3:+.1f} "
            f"| {peak / 1e6:.1f} | {(peak - statistics.median(base['peak'])) / 1e6:+.1f} |"
        )
    return lines


# ---- command line ---------------------------------------------------------------------------------------------------


def parse_configuration(text: str) -> Configuration:
    """NAME:KEY=VALUE,KEY=VALUE…; the key `python` names another interpreter, all others are environment variables."""
    name, _, rest = text.partition(":")
    env = dict(name_and_value(item) for item in rest.split(",") if item)
    python = env.pop("python", None)
    return Configuration(name, env, python, hotspur=python is None and env.get("HOTSPUR") != "0")


def default_cache() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "hotspur-bench"


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("programs", nargs="*", help="names from pyperformance's manifest; default: all pure-Python ones")
    add_target_options(parser, sys.executable)
    parser.add_argument("--quick", action="store_true", help="a subset with short samples, under two minutes")
    parser.add_argument("--list", action="store_true", help="name the programs, and those left out with the reason")
    parser.add_argument("--env", action="append", type=name_and_value, default=[], metavar="NAME=VALUE",
                        help="for the configuration `hotspur` only")
    parser.add_argument("--config", action="append", default=[], metavar="NAME:KEY=VALUE,...",
                        help="a further configuration; the key `python` is an interpreter, others are its environment")
    parser.add_argument("--rounds", type=int, default=3, help="processes per program and configuration (3)")
    parser.add_argument("--warmup", type=float, help="seconds before the first sample (0.5; with --quick 0.25)")
    parser.add_argument("--sample", type=float, help="seconds of one sample, at least (0.08; 0.05)")
    parser.add_argument("--samples", type=int, help="samples per process (7; 5)")
    parser.add_argument("--longest", type=float, help="seconds of sampling after which two samples suffice (2; 0.5)")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall",
                        help="cpu: processor time of the process, for a machine that is busy with other things")
    parser.add_argument("--timeout", type=float, default=180, help="seconds for one process")
    parser.add_argument("--threshold", type=float, default=0.85, help="name the programs whose ratio is below this")
    parser.add_argument("--require-mean", type=float, help="exit with 1 if the geometric mean is lower")
    parser.add_argument("--require-each", type=float, help="exit with 1 if one program's ratio is lower")
    parser.add_argument("--startup-rounds", type=int, default=40)
    parser.add_argument("--cpu", type=int, help="the core to run on (the last one); -1: no pinning")
    parser.add_argument("--cache", default=default_cache(), help="where downloaded libraries are kept (%(default)s)")
    parser.add_argument("--refresh", action="store_true", help="download the libraries again")
    parser.add_argument("--output", help="write NAME.json and NAME.md", metavar="NAME")
    options = parser.parse_args()
    for name, usual, quick in (("warmup", 0.5, 0.25), ("sample", 0.08, 0.05), ("samples", 7, 5), ("longest", 2.0, 0.5)):
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else usual)
    if not (options.engine or options.wheel or options.config or options.list):
        parser.error("nothing to compare: give --engine, --wheel or --config")
    return options


def choose(libraries: Libraries, options: argparse.Namespace) -> tuple[list[Program], dict[str, str]]:
    names = options.programs or (QUICK if options.quick else list(libraries.programs))
    chosen, left_out = [], {}
    for name in names:
        program = libraries.programs.get(name)
        if program is None:
            left_out[name] = "not in pyperformance"
        elif not options.programs and name in LEFT_OUT:
            left_out[name] = LEFT_OUT[name]
        elif not options.programs and any(v in name for v in VARIANTS):
            left_out[name] = "a variant of another program"
        elif reason := libraries.provide(program):
            left_out[name] = f"what it needs cannot be installed: {reason.splitlines()[-1]}"
        else:
            chosen.append(program)
    return chosen, left_out


def main() -> int:
    options = parse_options()
    end_cleanly_on_signals()
    if options.list:
        chosen, left_out = choose(Libraries(options), options)
        print("\n".join(program.name for program in chosen))
        print("\n".join(f"left out: {name}: {reason}" for name, reason in left_out.items()))
        return 0
    bench = Bench(options)
    started = time.monotonic()
    measured: dict[str, dict[str, list[dict]]] = {}
    failures: dict[str, str] = {}
    try:
        chosen, left_out = choose(bench.libraries, options)
        bench.copy_libraries()
        startup = bench.startup()
        for number, program in enumerate(chosen, 1):
            try:
                results, error = bench.run_program(program)
            except NotRunnable as reason:
                left_out[program.name] = f"does not run on stock: {str(reason).splitlines()[-1]}"
                print(f"{number:3}/{len(chosen)} {program.name}: {left_out[program.name]}", flush=True)
                continue
            measured |= results
            note = error.splitlines()[-1][:150] if error else ""
            if error:
                failures[program.name] = error
            for configuration in bench.configurations[1:]:
                for row in compare(results, configuration.name):
                    note += f"  {row['name']} {row['ratio']:.3f}"
            print(f"{number:3}/{len(chosen)} {time.monotonic() - started:5.0f} s  {program.name}: {note}", flush=True)
    finally:
        facts = bench.target.facts
        bench.target.remove()
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    report = [
        f"Python {facts['version']}; {processor or platform.machine()}, core {bench.cpu}; {options.rounds} rounds, "
        f"{options.samples} samples of {options.sample * 1e3:.0f} ms after {options.warmup} s, {options.clock} clock", "",
    ]
    result = {"python": facts["version"], "processor": processor, "failures": failures, "left_out": left_out,
              "startup": startup, "comparisons": {}}
    good = not failures and bool(startup)
    for configuration in bench.configurations[1:]:
        rows = compare(measured, configuration.name)
        if not rows:
            continue
        text, figures = table(configuration.name, rows, options)
        report.append(text + "\n")
        result["comparisons"][configuration.name] = figures
        if options.require_mean and figures["geometric_mean"] < options.require_mean:
            good = False
        if options.require_each and min(row["ratio"] for row in rows) < options.require_each:
            good = False
    if startup:
        report += startup_lines(startup)
    report += [f"\nFAILED {name}: {error}" for name, error in failures.items()]
    report += [""] + [f"left out: {name}: {reason}" for name, reason in left_out.items()]
    text = "\n".join(report)
    print("\n" + text)
    if options.output:
        pathlib.Path(options.output + ".json").write_text(json.dumps(result | {"measured": measured}, indent=1))
        pathlib.Path(options.output + ".md").write_text(text + "\n")
    return 0 if good and result["comparisons"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
