"""A Python under test, in an environment of its own with Hotspur in it: shared by the conformance runner and the benchmarks."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What `cargo build --release` makes.
BUILT = ROOT / "target" / "release" / "libhotspur_engine.so"

# What identifies the build.
FACTS = """\
import hashlib, json, os, sys, sysconfig
with open(os.path.realpath(sys.executable), "rb") as f:
    binary = hashlib.sha256(f.read()).hexdigest()[:12]
print(json.dumps({
    "version": sys.version, "binary": binary, "short": sys.version.split()[0], "site": sysconfig.get_path("purelib"),
    "suffix": sysconfig.get_config_var("EXT_SUFFIX"),
}))
"""

# Mounts are made in a private mount namespace, so that nothing of them is left behind in the tree.
CHROOT_ENTER = """\
root=$1; shift
mount -t proc proc "$root/proc" 2>/dev/null
mount -t tmpfs tmpfs "$root/dev/shm" 2>/dev/null
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts" 2>/dev/null && mount --bind "$root/dev/pts/ptmx" "$root/dev/ptmx" 2>/dev/null
exec chroot "$root" "$@"
"""


def default_signals() -> None:
    """A job in the background ignores SIGINT and its children inherit that, which tests of Ctrl-C do not survive."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def end_cleanly_on_signals() -> None:
    """Makes SIGTERM, and SIGINT also for a job in the background, end us with our clean-up done."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def read_report(report: pathlib.Path) -> dict | None:
    """What a process left there (HOTSPUR_REPORT). Nothing if it left none, or a part, having been killed while it wrote."""
    try:
        return json.loads(report.read_text())
    except (OSError, ValueError):
        return None


def inactive(report: pathlib.Path, tier2: bool = False) -> str:
    """Why the process that left this report (HOTSPUR_REPORT) was no run under Hotspur, or not in tier 2 if it should have been;
    empty if it was one."""
    facts = read_report(report)
    if facts is None:
        return "no report: Hotspur was not active in the process"
    if not facts["hook_still_installed"]:
        return "Hotspur's hook was removed before the process ended"
    # Counts the activations of the evaluation loop that tier 1 took.
    if not facts["counters"]["entries"]:
        return "nothing was executed in tier 1"
    if tier2 and not facts["counters"]["executor_entries"]:
        return "no executor was entered"
    return ""


def kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


class Target:
    """A throw-away virtual environment of the Python under test, here or in another tree.

    Everything that is started from its Python has Hotspur on through `hotspur autoload`, the child processes of tests
    included; with HOTSPUR=0 the very same environment is the stock control.
    """

    def __init__(self, options: argparse.Namespace):
        self.root = pathlib.Path(options.chroot).resolve() if options.chroot else None
        temporary = self.root / "tmp" if self.root else pathlib.Path(tempfile.gettempdir())
        # Short, because tests put Unix sockets below it and those have a limit of 108 bytes.
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="hst-", dir=temporary))
        self.venv = self.work / "venv"
        self.python = self.inside(self.venv / "bin" / "python")
        created = self.run([options.python, "-m", "venv", "--without-pip", self.inside(self.venv)])
        if created.returncode != 0:
            raise SystemExit(f"cannot make a virtual environment with {options.python}:\n{created.stdout}")
        self.facts = self.ask(FACTS)
        self.site = self.outside(self.facts["site"])

    def ask(self, program: str, *arguments: str) -> dict:
        """Runs a program that prints one line of JSON."""
        done = self.run([self.python, "-c", program, *arguments])
        if done.returncode != 0:
            self.remove()
            raise SystemExit(f"the Python under test is not usable:\n{done.stdout}")
        return json.loads(done.stdout.splitlines()[-1])

    def inside(self, path: pathlib.Path) -> str:
        """The path as the target sees it."""
        return "/" + str(path.relative_to(self.root)) if self.root else str(path)

    def outside(self, path: str) -> pathlib.Path:
        return self.root / path.lstrip("/") if self.root else pathlib.Path(path)

    def command(self, argv: list[str]) -> list[str]:
        if self.root is None:
            return argv
        return ["unshare", "-m", "sh", "-c", CHROOT_ENTER, "sh", str(self.root), *argv]

    def environment(self, extra: dict[str, str]) -> dict[str, str]:
        private = ("PYTHON", "HOTSPUR", "VIRTUAL_ENV", "LC_", "LANG")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(private)}
        # The same for everybody who runs this, because stock results are kept.
        kept |= {"LANG": "C.UTF-8", "TERM": "dumb"}
        if self.root:
            kept |= {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}
            kept.pop("TMPDIR", None)
        return kept | extra

    def run(self, argv: list[str], extra: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(argv), env=self.environment(extra or {}), cwd=self.work, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )

    def install(self, options: argparse.Namespace) -> str:
        """Puts Hotspur into the environment; returns a name for what was installed."""
        digest = hashlib.sha256()
        if options.wheel:
            digest.update(pathlib.Path(options.wheel).read_bytes())
            with zipfile.ZipFile(options.wheel) as wheel:
                wheel.extractall(self.site)
        else:
            package = pathlib.Path(options.package)
            ignored = shutil.ignore_patterns("__pycache__", "*.so")
            shutil.copytree(package, self.site / "hotspur", ignore=ignored)
            shutil.copy2(options.engine, self.site / "hotspur" / f"_hotspur{self.facts['suffix']}")
            digest.update(pathlib.Path(options.engine).read_bytes())
        for command in (["compileall", "-q", self.inside(self.site)], ["hotspur", "autoload", "on"]):
            done = self.run([self.python, "-m", *command], {"HOTSPUR": "0"})
            if done.returncode != 0:
                self.remove()
                raise SystemExit(f"Hotspur cannot be installed for the test: {' '.join(command)}:\n{done.stdout}")
        return digest.hexdigest()[:12]

    def remove(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)


def add_target_options(parser: argparse.ArgumentParser, python: str) -> None:
    """The options that Target reads."""
    parser.add_argument("--python", default=python, help="the CPython 3.13 under test")
    parser.add_argument("--chroot", metavar="TREE", help="run inside this Linux tree; --python is looked up there")
    parser.add_argument("--engine", default=str(BUILT) if BUILT.exists() else None,
                        help="the engine, libhotspur_engine.so; default: the one that `cargo build --release` has built")
    parser.add_argument("--package", default=ROOT / "python" / "hotspur", help="the Python package's folder")
    parser.add_argument("--wheel", help="install this wheel instead of --engine and --package")


def name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError("expected NAME=VALUE")
    return name, value
