"""What programs are run under: stock, Hotspur's tiers, peers.

Each interpreter gets a virtual environment of its own, so that all of them start alike and none sees packages of the
machine. Stock is the Python under test in an environment without Hotspur; every Hotspur configuration runs in one that
has Hotspur in it, switched on at each start by `hotspur autoload on`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import shlex
import subprocess

from target_python import Target, name_and_value

BASE = "stock"

# Short names for --configs: what they set on top of HOTSPUR=1.
HOTSPUR = {
    "hotspur": {},
    "tier1": {"HOTSPUR_TIER": "1"},
    "interp": {"HOTSPUR_TIER": "2", "HOTSPUR_ENGINE": "interp"},
    "jit": {"HOTSPUR_TIER": "2", "HOTSPUR_ENGINE": "jit"},
}
# The base once more: what it loses or wins against itself is noise. `off`: Hotspur installed and switched off.
CONTROLS = {"control": False, "off": True}

DESCRIBE = """\
import json, platform, sys
jit = getattr(sys, "_jit", None)
words = [platform.python_implementation(), platform.python_version()]
if hasattr(sys, "pypy_version_info"):
    words[1:] = ["%d.%d.%d" % sys.pypy_version_info[:3], "(Python %s)" % platform.python_version()]
if jit is not None and jit.is_available():
    words.append("JIT on" if jit.is_enabled() else "JIT off")
if getattr(sys, "_is_gil_enabled", lambda: True)() is False:
    words.append("free-threaded")
print(json.dumps({"description": " ".join(words), "version": platform.python_version()}))
"""


@dataclasses.dataclass
class Configuration:
    name: str
    env: dict[str, str]
    # Another interpreter than the one under test, with its options; empty: that one.
    command: list[str] = dataclasses.field(default_factory=list)
    # A run in which Hotspur should have been active and was not is an error, not a result.
    hotspur: bool = False
    # Whether it runs in the environment that has Hotspur in it.
    with_hotspur: bool = False
    description: str = ""

    @property
    def is_peer(self) -> bool:
        return bool(self.command)


def parse_configuration(text: str) -> Configuration:
    """NAME:KEY=VALUE,KEY=VALUE…; the key `python` names another interpreter, all others are environment variables."""
    name, _, rest = text.partition(":")
    env = dict(name_and_value(item) for item in rest.split(",") if item)
    python = env.pop("python", None)
    if python is not None:
        return Configuration(name, env, [python])
    return Configuration(name, {"HOTSPUR": "1"} | env, hotspur=env.get("HOTSPUR") != "0", with_hotspur=True)


def parse_peer(text: str) -> Configuration:
    """NAME=[VARIABLE=VALUE ...] INTERPRETER [OPTION ...], with a shell's quoting."""
    name, equals, rest = text.partition("=")
    words = shlex.split(rest)
    env = {}
    while words and re.match(r"[A-Za-z_]\w*=", words[0]):
        key, _, value = words.pop(0).partition("=")
        env[key] = value
    if not equals or not words or not re.fullmatch(r"[\w.+-]+", name):
        raise argparse.ArgumentTypeError(f"expected NAME=[VARIABLE=VALUE ...] COMMAND, got {text!r}")
    return Configuration(name, env, words)


def named(short: str) -> Configuration:
    if short == BASE:
        return Configuration(BASE, {"HOTSPUR": "0"})
    if short in CONTROLS:
        return Configuration(short, {"HOTSPUR": "0"}, with_hotspur=CONTROLS[short])
    if short in HOTSPUR:
        return Configuration(short, {"HOTSPUR": "1"} | HOTSPUR[short], hotspur=True, with_hotspur=True)
    raise SystemExit(f"no configuration is called {short}: {', '.join([BASE, *HOTSPUR, *CONTROLS])}")


def chosen(options: argparse.Namespace) -> list[Configuration]:
    """What the command line asks for, the base first."""
    has_hotspur = bool(options.engine or options.wheel)
    shorts = options.configs.split(",") if options.configs else (["hotspur"] if has_hotspur else [])
    found = [named(BASE)] + [named(short) for short in shorts if short != BASE]
    found += [parse_configuration(text) for text in options.config] + options.peer
    for configuration in found:
        if configuration.hotspur:
            configuration.env |= dict(options.env)
        if configuration.with_hotspur and not has_hotspur:
            raise SystemExit(f"{configuration.name}: needs --engine or --wheel")
    names = [configuration.name for configuration in found]
    if len(set(names)) < len(names):
        raise SystemExit(f"two configurations of the same name: {', '.join(names)}")
    if len(found) == 1:
        raise SystemExit("nothing to compare with stock: give --engine, --wheel, --configs, --config or --peer")
    return found


class Interpreters:
    """The command that starts each configuration's interpreter, inside the target."""

    def __init__(self, target: Target, python: str):
        self.target = target
        self.stock = self.environment("stock", [python])
        self.peers: dict[tuple[str, ...], list[str]] = {}

    def run(self, argv: list[str], extra: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        try:
            return self.target.run(argv, extra)
        except OSError as error:
            return subprocess.CompletedProcess(argv, 127, str(error))

    def environment(self, name: str, command: list[str]) -> list[str]:
        """The command, in a fresh virtual environment if it can make one; otherwise as it is."""
        folder = self.target.work / f"venv-{name}"
        if self.target.root is None and "/" in command[0]:
            command = [os.path.abspath(command[0]), *command[1:]]
        made = self.run([*command, "-m", "venv", "--without-pip", self.target.inside(folder)])
        python = folder / "bin" / "python"
        if made.returncode == 0 and python.is_symlink():
            return [self.target.inside(python), *command[1:]]
        return command

    def command(self, configuration: Configuration) -> list[str]:
        if configuration.is_peer:
            key = tuple(configuration.command)
            if key not in self.peers:
                self.peers[key] = self.environment(f"peer{len(self.peers)}", configuration.command)
            return self.peers[key]
        return [self.target.python] if configuration.with_hotspur else self.stock

    def describe(self, configuration: Configuration) -> str:
        """Asks the interpreter what it is. A peer that does not start is an error of the command line."""
        done = self.run([*self.command(configuration), "-c", DESCRIBE], configuration.env)
        if done.returncode != 0:
            raise SystemExit(f"{configuration.name}: {shlex.join(configuration.command)} does not start:\n{done.stdout}")
        return json.loads(done.stdout.splitlines()[-1])["description"]
