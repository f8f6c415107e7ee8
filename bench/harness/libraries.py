"""pyperformance and what its programs import, from PyPI, in a folder that later runs use again.

Every interpreter imports from the same folder, so that all run the same code. Compiled modules in it fit CPython 3.13
only; when peers take part they are left out for everybody (`copy_to`), and the packages fall back to pure Python.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

from .programs import OWN, Program, own_programs, read_manifest

PYPERFORMANCE = "pyperformance==1.14.0"
MATPLOTLIB = "matplotlib==3.10.*"

# Pinned to a version by pyperformance that installs and does not run on 3.13.
TOO_OLD = {"django"}

# Packages without dependencies or compiled parts that exist as source only.
FROM_SOURCE = {"pyaes"}


def default_cache() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "hotspur-bench"


def from_command_line(options: argparse.Namespace) -> Libraries:
    """What the programs that are asked for need."""
    own = own_programs()
    ours_only = options.suite == OWN or bool(options.programs) and all(name in own for name in options.programs)
    return Libraries(pathlib.Path(options.cache), options.python, options.refresh, not ours_only)


def find_pip(python: str, scratch: pathlib.Path) -> list[str]:
    """A command that runs pip, whose Python does not matter."""
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
    """The folder, and the programs that can be run with it. Without `pyperformance`: our own only, and no downloads."""

    def __init__(self, cache: pathlib.Path, python: str, refresh: bool, pyperformance: bool = True):
        self.folder = cache / "python3.13"
        self.programs = own_programs()
        if not pyperformance:
            return
        if refresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pip = find_pip(python, cache)
        self.notes = self.folder / "installed.json"
        # What was tried: requirement to error text, or "" for success.
        self.tried: dict[str, str] = json.loads(self.notes.read_text()) if self.notes.exists() else {}
        # Without dependencies: pyperf is what run_one.py stands in for.
        if error := self.install("pyperformance", ["--no-deps", PYPERFORMANCE]):
            raise SystemExit(f"pyperformance cannot be installed:\n{error}")
        self.programs |= read_manifest(self.folder / "pyperformance" / "data-files" / "benchmarks")

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

    def copy_to(self, folder: pathlib.Path, compiled: bool) -> None:
        """The tree under test sees only what is inside it. Links cost nothing where the file system is the same."""
        def link(source: str, destination: str) -> None:
            try:
                os.link(source, destination)
            except OSError:
                shutil.copy2(source, destination)

        if not self.folder.exists():
            folder.mkdir()
            return
        ignored = shutil.ignore_patterns("__pycache__", *([] if compiled else ["*.so"]))
        shutil.copytree(self.folder, folder, copy_function=link, ignore=ignored)


def matplotlib_folder(cache: pathlib.Path) -> pathlib.Path | str:
    """The folder from which this very interpreter can import matplotlib; or the reason why there is none."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache / f"matplotlib-python{version}"
    complete = folder / "complete"
    if not complete.exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [*find_pip(sys.executable, cache), "install", "--quiet", "--disable-pip-version-check", "--upgrade",
             "--target", folder, "--python-version", version, "--only-binary=:all:", MATPLOTLIB],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        if done.returncode != 0:
            return (done.stdout.strip().splitlines() or ["pip failed"])[-1]
        complete.touch()
    return folder
