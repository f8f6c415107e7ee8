"""The processes, one after the other, and the result they make up.

The order within a round is A B C, in the next C B A, and so on: a machine that drifts in one direction favours nobody.
All configurations of a round have the same hash seed, which decides the order of sets and so the work done.

A result is one JSON object:

    python, binary, processor, cpu, date, commit, settings    where and how it was measured
    base, configurations    the name of the base; per name: env, command, description, peer, hotspur
    benchmarks      name → {program, suite, runs: configuration → [run per round]}; a run is what run_one.py wrote, its
                    points in time from the start of the process, and the process's peak memory in bytes
    processes       program → configuration → [{wall, cpu, peak} per process]: our own programs run once, start to end
    scaling         program → configuration → size → [seconds per process]
    startup         configuration → {seconds, peak}
    failures        configuration → program → what went wrong
    left_out        program → why it was not measured
    wall, busy      seconds that all processes took together, elapsed and of processor time: far apart, they say that the
                    machine had other things to do
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import time

from progress import Progress
from target_python import Target, default_signals, inactive, kill_group

from . import configurations, figures, libraries, warmup
from .configurations import BASE, Configuration, Interpreters
from .programs import OWN, OWN_FOLDER, Program

CHILD_FOLDER = pathlib.Path(__file__).resolve().parent.parent / "child"


class RunFailed(Exception):
    """A process ended badly, or Hotspur was not active in it."""


def headline(error: object) -> str:
    """The last line of an error, which says what it was."""
    return (str(error).strip().splitlines() or ["no message"])[-1][:200]


def processor() -> str:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), os.uname().machine)


def commit() -> str:
    """What is checked out here, with a plus if it was changed."""
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(OWN_FOLDER), *arguments], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


class Bench:
    """One measurement: the target with everything in it, and what has been measured so far."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.configurations = configurations.chosen(options)
        self.libraries = libraries.from_command_line(options)
        self.target = Target(options)
        self.place = self.target.work / "bench"
        self.serial = 0
        # What run_one.py is told besides how to time.
        self.extra_settings: dict[str, object] = {}
        self.cpu = max(os.sched_getaffinity(0)) if options.cpu is None else options.cpu
        # Programs whose modules an interpreter has compiled and imported already.
        self.prepared: set[tuple[str, str]] = set()
        try:
            if any(configuration.with_hotspur for configuration in self.configurations):
                self.target.install(options)
            self.interpreters = Interpreters(self.target, options.python)
            for configuration in self.configurations:
                configuration.description = self.interpreters.describe(configuration)
            self.place.mkdir()
            shutil.copytree(CHILD_FOLDER, self.place / "child", ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copytree(OWN_FOLDER, self.place / "programs", ignore=shutil.ignore_patterns("__pycache__"))
        except BaseException:
            self.target.remove()
            raise
        self.result = self.empty_result()

    def empty_result(self) -> dict:
        options = self.options
        return {
            "python": self.target.facts["version"], "binary": self.target.facts["binary"],
            "short": self.target.facts["short"], "processor": processor(), "cpu": self.cpu,
            "date": datetime.date.today().isoformat(), "commit": commit(),
            "settings": {name: getattr(options, name) for name in
                         ("rounds", "warmup", "sample", "samples", "longest", "clock", "threshold")},
            "base": BASE,
            "configurations": {
                c.name: {"env": c.env, "command": c.command, "description": c.description, "peer": c.is_peer,
                         "hotspur": c.hotspur}
                for c in self.configurations
            },
            "benchmarks": {}, "processes": {}, "scaling": {}, "startup": {}, "failures": {}, "left_out": {},
            "wall": 0.0, "busy": 0.0,
        }

    # ---- one process ------------------------------------------------------------------------------------------------

    def copy_libraries(self) -> None:
        with_peers = any(configuration.is_peer for configuration in self.configurations)
        self.libraries.copy_to(self.place / "lib", compiled=not with_peers)

    def prepare_child(self) -> None:
        default_signals()
        if self.cpu >= 0:
            os.sched_setaffinity(0, {self.cpu})

    def spawn(self, configuration: Configuration, argv: list[str], seed: int, folder: pathlib.Path) -> dict:
        """Runs the configuration's interpreter with these arguments; what spawn.py notes about the process."""
        inside = self.target.inside
        (folder / "reports").mkdir()
        extra = {"PYTHONHASHSEED": str(seed), "TMPDIR": inside(folder), "HOTSPUR_REPORT": inside(folder / "reports")}
        order = {"command": [*self.interpreters.command(configuration), *argv], "env": extra | configuration.env,
                 "result": inside(folder / "spawned")}
        launcher = [*self.interpreters.stock, "-I", "-S", inside(self.place / "child" / "spawn.py"), json.dumps(order)]
        process = subprocess.Popen(
            self.target.command(launcher), env=self.target.environment({}), cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            preexec_fn=self.prepare_child, start_new_session=True,
        )
        try:
            log, _ = process.communicate(timeout=self.options.timeout)
        except subprocess.TimeoutExpired:
            raise RunFailed(f"no end after {self.options.timeout} s") from None
        finally:
            kill_group(process)
            process.wait()
        if process.returncode:
            raise RunFailed(f"cannot be started: {log.strip()[-1500:]}")
        spawned = json.loads((folder / "spawned").read_text())
        self.result["wall"] += spawned["wall"]
        self.result["busy"] += spawned["cpu"]
        if spawned["status"]:
            raise RunFailed(f"exit status {spawned['status']}: {log.strip()[-1500:]}")
        if configuration.hotspur and (reason := inactive(folder / "reports" / f"{spawned['pid']}.json")):
            raise RunFailed(reason)
        return spawned

    def run_script(self, program: Program, configuration: Configuration, seed: int, **more: object) -> list[dict]:
        """One process of run_one.py: what it wrote, a line per benchmark."""
        folder = self.fresh_folder()
        inside = self.target.inside
        own = program.suite == OWN
        settings = {
            "warmup": self.options.warmup, "sample": self.options.sample, "samples": self.options.samples,
            "clock": self.options.clock, "longest": self.options.longest, "own": own, "output": inside(folder / "out"),
            "libraries": inside(self.place / "lib"),
        } | self.extra_settings | more
        if own:
            script = self.place / "programs" / program.script.name
        else:
            script = self.place / "lib" / program.script.relative_to(self.libraries.folder)
        argv = [inside(self.place / "child" / "run_one.py"), json.dumps(settings), inside(script), *program.arguments]
        try:
            spawned = self.spawn(configuration, argv, seed, folder)
            if more.get("prepare"):
                return []
            if not (folder / "out").exists():
                raise RunFailed("no benchmark was run")
            lines = [json.loads(line) for line in (folder / "out").read_text().splitlines()]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if "curve" in lines[0]:
            lines = warmup.rebase(lines, 0.0 if self.options.clock == "cpu" else spawned["started"])
        return [line | {"peak": spawned["peak"]} for line in lines]

    def fresh_folder(self) -> pathlib.Path:
        self.serial += 1
        folder = self.place / f"r{self.serial}"
        folder.mkdir()
        return folder

    # ---- one program ------------------------------------------------------------------------------------------------

    def order(self, number: int) -> list[Configuration]:
        return self.configurations if number % 2 == 0 else self.configurations[::-1]

    def prepare(self, program: Program, configuration: Configuration) -> None:
        """Imports once without being timed, so that no round pays for compiling the libraries to bytecode."""
        key = (program.name, self.interpreters.command(configuration)[0])
        if program.requirements is not None and key not in self.prepared:
            self.run_script(program, configuration, 1, prepare=True)
            self.prepared.add(key)

    def fails(self, program: Program, configuration: Configuration, error: RunFailed) -> None:
        """Notes a failure. If stock cannot run the program either, there is nothing to compare."""
        if configuration.name == BASE:
            self.result["left_out"][program.name] = f"does not run on stock: {headline(error)}"
        else:
            self.result["failures"].setdefault(configuration.name, {})[program.name] = str(error)

    def has_failed(self, program: Program, configuration: Configuration) -> bool:
        return (program.name in self.result["left_out"]
                or program.name in self.result["failures"].get(configuration.name, {}))

    def run_round(self, program: Program, number: int) -> None:
        """Each configuration once. Whoever has failed once is not tried again."""
        for configuration in self.order(number):
            if self.has_failed(program, configuration):
                continue
            try:
                if program.sizes:
                    self.run_sizes(program, configuration, number + 1)
                    continue
                if not program.whole_only:
                    self.prepare(program, configuration)
                    for line in self.run_script(program, configuration, number + 1):
                        benchmark = self.result["benchmarks"].setdefault(
                            line.pop("name"), {"program": program.name, "suite": program.suite, "runs": {}})
                        benchmark["runs"].setdefault(configuration.name, []).append(line)
                if program.suite == OWN and self.options.whole:
                    self.run_whole(program, configuration, number + 1)
            except RunFailed as error:
                self.fails(program, configuration, error)

    def run_whole(self, program: Program, configuration: Configuration, seed: int) -> None:
        """The program as users run it: one process, start to end."""
        folder = self.fresh_folder()
        script = self.target.inside(self.place / "programs" / program.script.name)
        try:
            spawned = self.spawn(configuration, [script], seed, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        kept = {name: spawned[name] for name in ("wall", "cpu", "peak")}
        self.result["processes"].setdefault(program.name, {}).setdefault(configuration.name, []).append(kept)

    def run_sizes(self, program: Program, configuration: Configuration, seed: int) -> None:
        """The program cold, one process per size."""
        for size in program.sizes[: self.options.sizes]:
            (line,) = self.run_script(program, configuration, seed, size=size, cold=True)
            sizes = self.result["scaling"].setdefault(program.name, {}).setdefault(configuration.name, {})
            sizes.setdefault(str(size), []).append(line["seconds"])

    def drop_incomplete(self, program: Program) -> None:
        """A configuration that failed in a later round has no result."""
        for name in [c.name for c in self.configurations if self.has_failed(program, c)]:
            for benchmark in self.result["benchmarks"].values():
                if benchmark["program"] == program.name:
                    benchmark["runs"].pop(name, None)
            for table in ("processes", "scaling"):
                self.result[table].get(program.name, {}).pop(name, None)

    # ---- everything -------------------------------------------------------------------------------------------------

    def measure_startup(self) -> None:
        described = [
            {"name": c.name, "command": self.interpreters.command(c), "env": c.env} for c in self.configurations
        ]
        argv = [*self.interpreters.stock, self.target.inside(self.place / "child" / "startup.py"),
                json.dumps(described), str(self.options.startup_rounds)]
        done = subprocess.run(
            self.target.command(argv), env=self.target.environment({"HOTSPUR": "0"}), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, preexec_fn=self.prepare_child,
        )
        if done.returncode == 0:
            self.result["startup"] = json.loads(done.stdout.splitlines()[-1])
        else:
            self.result["failures"].setdefault("all", {})["start-up"] = done.stdout.strip()[-1500:]

    def ratios(self, program: Program) -> str:
        """What has just been measured, in a few words."""
        words = []
        for configuration in self.configurations[1:]:
            found = [
                figures.quick_ratio(benchmark["runs"][BASE], benchmark["runs"][configuration.name])
                for benchmark in self.result["benchmarks"].values()
                if benchmark["program"] == program.name and {BASE, configuration.name} <= benchmark["runs"].keys()
            ]
            if found:
                words.append(f"{configuration.name} {figures.geometric_mean(found):.3f}")
            elif self.has_failed(program, configuration):
                words.append(f"{configuration.name} failed")
        return "  ".join(words) or "done"

    def measure(self, programs: list[Program], progress: Progress, until: float | None = None) -> None:
        """Everything, program by program with all its rounds.

        With a limit in time (`until`, of time.monotonic), round by round with all programs: what is not reached by then
        are the last rounds of some programs, and programs only if there is no time for one round.
        """
        if self.options.startup_rounds:
            progress.running("start-up")
            self.measure_startup()
        rounds = range(self.options.rounds)
        if until is None:
            steps = [(turn, program) for program in programs for turn in rounds]
        else:
            steps = [(turn, program) for turn in rounds for program in programs]
        for turn, program in steps:
            if until is not None and time.monotonic() > until:
                if turn > 0:
                    progress.say("no time for all rounds")
                    break
                self.result["left_out"][program.name] = "no time"
                continue
            place = f"{programs.index(program) + 1}/{len(programs)} {program.name}"
            progress.running(f"{place}, round {turn + 1} of {self.options.rounds}")
            self.run_round(program, turn)
            progress.step()
            if turn == rounds[-1]:
                progress.say(f"{place}: {self.result['left_out'].get(program.name) or self.ratios(program)}")
        for program in programs:
            self.drop_incomplete(program)

    def again(self, programs: list[Program], rounds: int, until: float, progress: Progress) -> None:
        """Further rounds of some programs, as long as there is time."""
        for turn in range(self.options.rounds, self.options.rounds + rounds):
            for program in programs:
                if time.monotonic() < until:
                    progress.running(f"once more: {program.name}")
                    self.run_round(program, turn)
                    self.drop_incomplete(program)

    def needed(self, programs: list[Program]) -> list[Program]:
        """The programs whose libraries can be had."""
        usable = []
        for program in programs:
            if reason := self.libraries.provide(program):
                self.result["left_out"][program.name] = f"what it needs cannot be installed: {headline(reason)}"
            else:
                usable.append(program)
        return usable
