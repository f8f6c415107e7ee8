#!/usr/bin/env python3
"""Run CPython's own test suite under Hotspur and hold every single test against the stock interpreter.

    run.py --python PYTHON [--engine libhotspur_engine.so] [--package python/hotspur] [--all | --tests FILE | NAME...]
    run.py --chroot TREE --python python3.13 ...        the same inside another Linux tree (needs root)

The bar: no test may fail under Hotspur that passes on stock, except the ids in allowed.toml. README.md beside this
file says what is compared and what the figures mean. Needs nothing but Python 3.11's standard library.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from progress import Progress  # noqa: E402
from target_python import (  # noqa: E402
    Target, add_target_options, default_signals, end_cleanly_on_signals, inactive, kill_group, name_and_value,
    read_report,
)

MAX_ALLOWED = 40
# Areas where Hotspur promises to behave as stock does: a failure there is a bug, whatever the reason given.
NEVER_ALLOWED = re.compile(
    r"test_(sys_settrace|sys_setprofile|monitoring|pdb|bdb|trace)\b|recurs", re.IGNORECASE
)

# A package that regrtest runs as one file, but that we take apart: one of its modules removes our hook, and that must
# not excuse the others.
ALSO_SPLIT = ["test_capi"]

PASSED, FAILED, SKIPPED, XFAIL = "passed", "failed", "skipped", "expected failure"
# The outcome of an id that occurs twice in one file is the worst one.
SEVERITY = {PASSED: 0, XFAIL: 1, SKIPPED: 2, FAILED: 3}

# Runs inside the target: the files that regrtest would run.
LIST_TESTS = """\
import json, os, sys
from test.libregrtest.findtests import findtests, findtestdir
names = findtests()
for package in sys.argv[1:]:
    if package in names:
        folder = os.path.join(findtestdir(), package)
        inner = findtests(testdir=folder, base_mod="test." + package)
        at = names.index(package)
        names[at:at + 1] = inner
print(json.dumps({"tests": names}))
"""


# ---- running one file -----------------------------------------------------------------------------------------------


@dataclasses.dataclass
class FileResult:
    """What one test file did in one process of its own."""

    name: str
    # "ran", or why there are no per-test results: "crashed", "timed out", "not runnable" (import error and the like).
    state: str
    seconds: float
    outcomes: dict[str, str]
    # Text for a person: how a file that came to no end did end, and the end of the log.
    headline: str = ""
    detail: str = ""
    # The traceback of each failed id, where regrtest recorded it.
    tracebacks: dict[str, str] = dataclasses.field(default_factory=dict)
    # Complaints about Hotspur itself in the process that ran the file: hook gone, nothing executed, no report.
    complaints: list[str] = dataclasses.field(default_factory=list)
    environment_changed: bool = False
    processes: int = 0
    # How often these processes entered tier 2.
    executor_entries: int = 0

    def problems(self) -> set[str]:
        """The ids that failed; a file that came to no end counts as one id, its name."""
        failed = {test for test, outcome in self.outcomes.items() if outcome == FAILED}
        if self.state != "ran":
            failed.add(self.name)
        return failed


FAILURE_HEADER = re.compile(r"^(?:FAIL|ERROR|UNEXPECTED SUCCESS): (\S+) \(([^)\s]+)\)", re.MULTILINE)
VERBOSE_START = re.compile(r"^(\w+) \(([\w.<>]+)\)", re.MULTILINE)
REGRTEST_TIMEOUT = re.compile(r"Timeout \(\d+:\d\d:\d\d\)!")
# What test.support.script_helper says of a child that ended by SIGILL, SIGABRT, SIGBUS, SIGFPE or SIGSEGV.
CHILD_CRASHED = re.compile(r"return code is -(4|6|7|8|11)\b")
ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def read_junit(path: pathlib.Path) -> tuple[dict[str, str], bool, dict[str, str]] | None:
    """The outcome of each test id, whether some test has no id in the file (regrtest drops failed subtests), tracebacks."""
    try:
        tree = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    outcomes: dict[str, str] = {}
    tracebacks: dict[str, str] = {}
    nameless = False
    for case in tree.iter("testcase"):
        name = case.get("name")
        if name is None:
            nameless = True
            continue
        name = ADDRESS.sub("0x…", name)
        children = {child.tag for child in case}
        if children & {"failure", "error", "outcome"}:
            outcome = FAILED
            texts = [child.text or "" for child in case if child.tag in ("failure", "error", "outcome")]
            tracebacks[name] = "\n".join(texts)[-3000:]
        elif "skipped" in children or case.get("status") == "skipped":
            outcome = SKIPPED
        else:
            outcome = XFAIL if "output" in children else PASSED
        if SEVERITY[outcome] >= SEVERITY[outcomes.get(name, PASSED)]:
            outcomes[name] = outcome
    counted = sum(int(suite.get("errors", 0)) + int(suite.get("failures", 0)) for suite in tree.iter("testsuite"))
    return outcomes, nameless or counted > sum(1 for outcome in outcomes.values() if outcome == FAILED), tracebacks


def failures_in_log(log: str) -> set[str]:
    ids = set()
    for name, where in FAILURE_HEADER.findall(log):
        if where.endswith("." + name):
            ids.add(where)
        elif name in ("setUpClass", "tearDownClass", "setUpModule", "tearDownModule"):
            ids.add(f"{name} ({where})")
        else:
            ids.add(f"{where}.{name}")
    return ids


class Runner:
    """Runs test files of a target on one of the two sides, "stock" or "hotspur"."""

    def __init__(self, target: Target, options: argparse.Namespace):
        self.target = target
        self.options = options
        self.serial = 0
        self.lock = threading.Lock()
        self.live: dict[subprocess.Popen[bytes], str] = {}

    def stop(self) -> None:
        """Ends the test processes that are still running (each leads a process group of its own)."""
        with self.lock:
            for process in self.live:
                kill_group(process)

    def run(self, side: str, name: str, verbose: bool = False) -> FileResult:
        with self.lock:
            self.serial += 1
            folder = self.target.work / f"{self.serial:x}"
        reports, temporary = folder / "r", folder / "t"
        reports.mkdir(parents=True)
        temporary.mkdir()
        junit, log_path = folder / "junit.xml", folder / "log"
        inside = self.target.inside
        extra = {"TMPDIR": inside(temporary)}
        if side == "stock":
            extra["HOTSPUR"] = "0"
        else:
            extra |= {"HOTSPUR": "1", "HOTSPUR_REPORT": inside(reports)} | self.options.env
        argv = [self.target.python, "-m", "test", "--junit-xml", inside(junit), "--timeout",
                str(self.options.timeout), "--tempdir", inside(temporary)]
        if verbose:
            argv.append("-v")
        argv.append(name)
        started = time.monotonic()
        timed_out = False
        with open(log_path, "wb") as log_file:
            process = subprocess.Popen(
                self.target.command(argv), env=self.target.environment(extra), cwd=folder, stdin=subprocess.DEVNULL,
                stdout=log_file, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=default_signals,
            )
            with self.lock:
                self.live[process] = name
            try:
                # regrtest's own timeout ends a hanging process with tracebacks; ours is for what does not even do that.
                status = process.wait(self.options.timeout + 60)
            except subprocess.TimeoutExpired:
                timed_out = True
                kill_group(process)
                status = process.wait()
            finally:
                with self.lock:
                    del self.live[process]
        seconds = time.monotonic() - started
        # Children that a test left behind would otherwise disturb the next ones.
        kill_group(process)
        log = log_path.read_text(errors="replace")
        result = self.judge(name, status, timed_out, seconds, junit, log, verbose)
        if side == "hotspur":
            self.inspect_reports(result, reports, process.pid)
        shutil.rmtree(folder, ignore_errors=True)
        return result

    def judge(self, name, status, timed_out, seconds, junit, log, verbose) -> FileResult:
        parsed = read_junit(junit)
        result = FileResult(name, "ran", seconds, {})
        if parsed is not None:
            result.outcomes, incomplete, result.tracebacks = parsed
            if incomplete or status != 0:
                for test in failures_in_log(log):
                    result.outcomes[test] = FAILED
        skipped_whole = status in (0, 4) and f"{name} skipped" in log
        if timed_out or REGRTEST_TIMEOUT.search(log):
            result.state = "timed out"
        elif skipped_whole and parsed is None:
            # regrtest writes no results for a file that is skipped as a whole.
            result.outcomes[name] = SKIPPED
        elif status < 0 or status > 128 or parsed is None:
            result.state = "crashed"
        elif status not in (0, 4) and FAILED not in result.outcomes.values():
            result.state = "not runnable"
        result.environment_changed = "(env changed)" in log or "altered the execution environment" in log
        if result.problems():
            result.detail = log[-12000:]
            if result.state != "ran":
                how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
                started = [id_ for name_, id_ in VERBOSE_START.findall(log) if id_.endswith(f".{name_}")] if verbose else []
                last = f"; the last of {len(started)} tests that were started: {started[-1]}" if started else ""
                result.headline = how + last
        return result

    def inspect_reports(self, result: FileResult, folder: pathlib.Path, pid: int) -> None:
        """Was it really Hotspur that ran the file? A pass of anything else is worth nothing."""
        reports = [report for path in folder.glob("*.json") if (report := read_report(path))]
        result.processes = len(reports)
        tier2 = self.options.env.get("HOTSPUR_TIER") == "2"
        result.executor_entries = sum(report["counters"]["executor_entries"] for report in reports)
        # A process that died could not write a report, and is a failure as it is.
        if result.state not in ("crashed", "timed out") and (complaint := inactive(folder / f"{pid}.json", tier2)):
            result.complaints.append(complaint)


# ---- the stock control ----------------------------------------------------------------------------------------------


class StockCache:
    """Stock results, kept per Python build and test file (one JSON file each): they do not change with Hotspur."""

    def __init__(self, folder: pathlib.Path, facts: dict, chroot: bool):
        key = hashlib.sha256(f"{facts['version']}{facts['binary']}{chroot}".encode()).hexdigest()[:12]
        self.folder = folder / f"stock-{facts['short']}-{key}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files: dict[str, FileResult] = {}
        for path in self.folder.glob("*.json"):
            self.files[path.stem] = FileResult(**json.loads(path.read_text()))

    def get(self, name: str) -> FileResult | None:
        return self.files.get(name)

    def put(self, result: FileResult) -> None:
        self.files[result.name] = result
        # Replaced in one step: several runs may share the folder.
        draft = self.folder / f"{result.name}.{os.getpid()}.new"
        draft.write_text(json.dumps(dataclasses.asdict(result), indent=0))
        draft.replace(self.folder / f"{result.name}.json")


# ---- the comparison -------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Allowed:
    """allowed.toml: reasons by test id, and by file whose own process may end without our hook."""

    ids: dict[str, str]
    unhooked: dict[str, str]


def read_allowed(path: pathlib.Path) -> Allowed:
    data = tomllib.loads(path.read_text())
    ids = {entry["id"]: entry["reason"] for entry in data.get("allow", [])}
    unhooked = {entry["file"]: entry["reason"] for entry in data.get("unhooked", [])}
    entries = len(data.get("allow", [])) + len(data.get("unhooked", []))
    if entries > MAX_ALLOWED:
        raise SystemExit(f"run.py: {path.name} has {entries} entries, at most {MAX_ALLOWED} are accepted")
    for name, reason in {**ids, **unhooked}.items():
        if NEVER_ALLOWED.search(name):
            raise SystemExit(f"run.py: {path.name}: {name} is in an area where nothing is excused")
        if not reason.strip():
            raise SystemExit(f"run.py: {path.name}: {name} has no reason")
    return Allowed(ids, unhooked)


def regressions(stock: FileResult, ours: FileResult) -> dict[str, str]:
    """Each id that is worse under Hotspur than on stock, and in what way."""
    worse = {}
    stock_failed = stock.problems()
    for test in ours.problems() - stock_failed:
        worse[test] = ours.state if test == ours.name else FAILED
    if ours.state == "ran":
        for test, outcome in stock.outcomes.items():
            # A test that vanishes or skips itself has not shown anything.
            if outcome in (PASSED, XFAIL) and ours.outcomes.get(test) in (None, SKIPPED):
                worse[test] = "skipped" if test in ours.outcomes else "did not run"
    for complaint in ours.complaints:
        worse[f"{ours.name} (Hotspur active)"] = complaint
    return worse


def select_files(options: argparse.Namespace, available: list[str]) -> tuple[list[str], list[str]]:
    """The regrtest units to run, and the requested names that this Python does not have."""
    if options.all:
        return available, []
    if options.names:
        wanted = options.names
    else:
        lines = pathlib.Path(options.tests).read_text().splitlines()
        wanted = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    chosen: dict[str, None] = {}
    missing = []
    for name in wanted:
        units = [unit for unit in available if unit == name or unit.startswith(f"test.{name}.")]
        chosen |= dict.fromkeys(units)
        if not units:
            missing.append(name)
    return list(chosen), missing


class Conformance:
    """One whole run: stock where it is not known yet, then Hotspur, then the doubtful files again."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.allowed = read_allowed(pathlib.Path(options.allowed))
        self.target = Target(options)
        self.runner = Runner(self.target, options)
        self.stock = StockCache(pathlib.Path(options.cache), self.target.facts, bool(options.chroot))
        available = self.target.ask(LIST_TESTS, *ALSO_SPLIT)["tests"]
        self.files, self.missing = select_files(options, available)
        self.ours: dict[str, FileResult] = {}
        self.flaky: dict[str, str] = {}

    def say(self, text: str) -> None:
        print(text, flush=True)

    def run_many(self, side: str, names: list[str], finished) -> None:
        """Runs each file in its own process, the longest first; hands every result to `finished`."""
        known = {name: result.seconds for name in names if (result := self.stock.get(name))}
        order = sorted(names, key=lambda name: -known.get(name, 1e9 if name.startswith("test.") else 0.0))
        progress = Progress(len(order))
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            pending = {pool.submit(self.runner.run, side, name) for name in order}
            try:
                while pending:
                    done, pending = concurrent.futures.wait(pending, 5, concurrent.futures.FIRST_COMPLETED)
                    for future in done:
                        result = future.result()
                        finished(result)
                        progress.step()
                        note = f"{len(result.problems())} failed" if result.problems() else "ok"
                        if result.state != "ran":
                            note = result.state
                        note = "; ".join([f"{side} {result.name}: {note}", *result.complaints])
                        if result.problems() or result.complaints:
                            progress.say(note)
                        else:
                            progress.running(note)
                    if not done:
                        progress.running(f"{side}: waiting for {' '.join(sorted(self.runner.live.values()))}")
                progress.end()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.runner.stop()
                raise

    def run_stock(self) -> None:
        wanted = [name for name in self.files if self.options.refresh_stock or self.stock.get(name) is None]
        if not wanted:
            return
        self.say(f"stock control: {len(wanted)} of {len(self.files)} files are not in the cache")
        self.run_many("stock", wanted, self.stock.put)
        for name in wanted:
            first = self.stock.get(name)
            if first.problems():
                self.stock.put(self.again_on_stock(first))

    def again_on_stock(self, first: FileResult) -> FileResult:
        """Runs a file alone once more; an id counts as failing on stock if it failed in either run."""
        second = self.runner.run("stock", first.name)
        merged = first if first.state == "ran" and second.state != "ran" else second
        for test in (first.problems() | second.problems()) - {first.name}:
            merged.outcomes[test] = FAILED
        for test in first.problems() ^ second.problems():
            self.flaky[test] = "on stock"
        if not merged.detail:
            merged.detail = first.detail
        return merged

    def run_hotspur(self) -> None:
        self.say(f"Hotspur: {len(self.files)} files, {' '.join(f'{k}={v}' for k, v in self.options.env.items())}")
        self.run_many("hotspur", self.files, lambda result: self.ours.__setitem__(result.name, result))
        for name in self.files:
            first = self.ours[name]
            if not self.unexcused(name):
                continue
            if not self.options.no_retry:
                self.retry(first)
            # The machine may have changed since the control was made (or the test is a matter of luck): ask stock again.
            if self.unexcused(name) and any(kind == FAILED for kind in self.unexcused(name).values()):
                self.stock.put(self.again_on_stock(self.stock.get(name)))

    def retry(self, first: FileResult) -> None:
        second = self.runner.run("hotspur", first.name, verbose=first.state != "ran")
        self.say(f"hotspur  again, alone: {first.name}: {second.state}, {len(second.problems())} failed")
        if first.state == "crashed" and second.state == "ran":
            # No luck involved in a crash: it stays a failure, however seldom it happens.
            self.flaky[first.name] = "crashed once, then not"
            second.state = "crashed"
            second.headline, second.detail = f"once: {first.headline}", first.detail
        for test in first.problems() - second.problems():
            traceback = first.tracebacks.get(test, "")
            if CHILD_CRASHED.search(traceback):
                second.outcomes[test], second.tracebacks[test] = FAILED, traceback
                self.flaky[test] = "a child process crashed once, then not"
            self.flaky.setdefault(test, "under Hotspur")
        self.ours[first.name] = second

    def unexcused(self, name: str) -> dict[str, str]:
        worse = regressions(self.stock.get(name), self.ours[name])
        if name in self.allowed.unhooked:
            worse.pop(f"{name} (Hotspur active)", None)
        return {test: kind for test, kind in worse.items() if test not in self.allowed.ids}

    def summary(self) -> tuple[dict, bool]:
        new: dict[str, dict[str, str]] = {}
        used: set[str] = set()
        counts: collections.Counter[str] = collections.Counter()
        stock_failures: list[str] = []
        for name in self.files:
            stock, ours = self.stock.get(name), self.ours[name]
            worse = regressions(stock, ours)
            used |= worse.keys() & self.allowed.ids.keys()
            if f"{name} (Hotspur active)" in worse and name in self.allowed.unhooked:
                used.add(name)
            if bad := self.unexcused(name):
                new[name] = bad
            stock_failures += sorted(stock.problems())
            for test, outcome in ours.outcomes.items():
                if test not in bad:
                    excused = outcome == FAILED or outcome == SKIPPED
                    counts["skipped" if excused else "passed"] += 1
            counts["failed"] += len(bad)
        possible = {test: reason for test, reason in {**self.allowed.ids, **self.allowed.unhooked}.items()
                    if any(test == name or f"test.{name.removeprefix('test.')}." in test for name in self.files)}
        unused = sorted(possible.keys() - used)
        self.say("")
        self.say(f"Python {self.target.facts['version']}")
        self.say(f"{len(self.files)} test files; {sum(r.processes for r in self.ours.values())} processes reported Hotspur active, "
                 f"executors were entered {sum(r.executor_entries for r in self.ours.values())} times")
        if self.missing:
            self.say(f"not in this Python: {' '.join(self.missing)}")
        self.table("fail on stock too (not counted)", stock_failures)
        self.table("allowed to fail (allowed.toml)", sorted(used))
        self.table("allowed, but did not fail: remove from allowed.toml?", unused)
        self.table("flaky", [f"{test}: {how}" for test, how in sorted(self.flaky.items())])
        changed = [n for n in self.files if self.ours[n].environment_changed and not self.stock.get(n).environment_changed]
        self.table("leave the environment changed, unlike on stock (a warning)", changed)
        if new:
            self.say(f"\nWORSE THAN STOCK: {sum(map(len, new.values()))} in {len(new)} files")
            for name, bad in new.items():
                ours = self.ours[name]
                self.say(f"  {name}")
                for test, kind in sorted(bad.items()):
                    self.say(f"    {kind}: {test}" + (f" ({ours.headline})" if test == name and ours.headline else ""))
                    if self.options.verbose and test in ours.tracebacks:
                        self.quote(ours.tracebacks[test], 30)
                if self.options.verbose and ours.detail and not bad.keys() <= ours.tracebacks.keys():
                    self.quote(ours.detail, 60)
        result = {
            "python": self.target.facts["version"], "environment": self.options.env,
            "passed": counts["passed"], "failed": counts["failed"], "skipped": counts["skipped"],
            "new_failures": new, "flaky": self.flaky, "stock_failures": stock_failures,
            "allowed_used": sorted(used), "allowed_unused": unused, "missing": self.missing,
            "files": {name: dataclasses.asdict(result) for name, result in self.ours.items()},
        }
        return result, not new

    def quote(self, text: str, lines: int) -> None:
        for line in text.splitlines()[-lines:]:
            self.say(f"      | {line}")

    def table(self, title: str, lines: list[str]) -> None:
        if lines:
            self.say(f"{title}: {len(lines)}")
            for line in lines:
                self.say(f"  {line}")


def default_cache() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "hotspur-conformance"


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", help="regrtest names; default: the core list")
    add_target_options(parser, sys.executable)
    parser.add_argument("--all", action="store_true", help="every test file of that Python")
    parser.add_argument("--tests", default=HERE / "core.txt", help="a file with one test file per line")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=int, default=180, help="seconds for one test file")
    parser.add_argument("--env", action="append", type=name_and_value, default=[], metavar="NAME=VALUE",
                        help="for the Hotspur side only; default HOTSPUR_STRESS=1 (give HOTSPUR_STRESS=0 for default mode)")
    parser.add_argument("--allowed", default=HERE / "allowed.toml")
    parser.add_argument("--cache", default=default_cache(), help="where stock results are kept (%(default)s)")
    parser.add_argument("--refresh-stock", action="store_true", help="run the stock control again")
    parser.add_argument("--stock-only", action="store_true", help="only fill the cache of stock results")
    parser.add_argument("--no-retry", action="store_true")
    parser.add_argument("--output", help="JSON result file; default: in the cache folder")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the end of the log of each failing file")
    options = parser.parse_args()
    options.env = {"HOTSPUR_STRESS": "1"} | dict(options.env)
    if not (options.engine or options.wheel):
        parser.error("one of --engine and --wheel is needed")
    return options


def main() -> int:
    options = parse_options()
    end_cleanly_on_signals()
    run = Conformance(options)
    try:
        # For the stock control as well: the environment must be the same.
        installed = run.target.install(options)
        run.run_stock()
        if options.stock_only:
            run.table("fail on stock", [t for n in run.files for t in sorted(run.stock.get(n).problems())])
            return 0
        run.run_hotspur()
        result, holds = run.summary()
    finally:
        run.runner.stop()
        run.target.remove()
    result["engine"] = installed
    output = pathlib.Path(options.output or pathlib.Path(options.cache) / "result.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1))
    print(f"details: {output}")
    print(f"{result['passed']} passed, {result['failed']} failed, {result['skipped']} skipped", flush=True)
    return 0 if holds else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
