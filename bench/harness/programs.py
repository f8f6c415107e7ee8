"""What is run: pyperformance's manifest, and our own programs in bench/programs."""

from __future__ import annotations

import ast
import dataclasses
import pathlib
import tomllib

OWN_FOLDER = pathlib.Path(__file__).resolve().parent.parent / "programs"
PYPERFORMANCE, OWN = "pyperformance", "hotspur"

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
# What pyperformance calls these benchmarks is the speed of C code, whatever executes the few instructions around it; they are left out of the mean over its
# programs in Python (and out of nothing else).
IN_C = {
    "bench_mp_pool": "processes are waited for", "bench_thread_pool": "threads are waited for", "asyncio_tcp_ssl": "OpenSSL",
    "base64_small": "binascii", "base64_large": "binascii", "urlsafe_base64_small": "binascii", "base16_small": "binascii", "base16_large": "binascii",
    "create_gc_cycles": "the collector", "json_dumps": "_json", "json_loads": "_json",
    "pickle": "_pickle", "pickle_dict": "_pickle", "pickle_list": "_pickle", "unpickle": "_pickle", "unpickle_list": "_pickle",
    "pidigits": "arithmetic of large ints", "regex_dna": "_sre", "regex_effbot": "_sre", "regex_v8": "_sre", "sqlite_synth": "SQLite", "telco": "_decimal",
    "xml_etree_parse": "expat", "xml_etree_iterparse": "expat",
}
# These differ from others only in a scheduling detail and would weigh asyncio many times in the mean.
VARIANTS = ("_tg", "_eager")

# What `quick` runs: short, and of many kinds.
QUICK = [
    "richards", "deltablue", "raytrace", "chaos", "float", "nbody", "spectral_norm", "fannkuch", "go", "hexiom",
    "nqueens", "generators", "coroutines", "comprehensions", "pyflate", "deepcopy", "json_dumps", "logging",
    "pickle_pure_python", "regex_compile", "unpack_sequence",
    "closures", "exceptions", "parsing", "pipelines", "shapes", "simulation",
]


@dataclasses.dataclass
class Program:
    """A script and the arguments that select a variant of it."""

    name: str
    suite: str
    script: pathlib.Path
    arguments: list[str] = dataclasses.field(default_factory=list)
    requirements: pathlib.Path | None = None
    # Sizes of a program that is measured cold, one process per size (`SIZES`); empty: measured warm.
    sizes: list[int] = dataclasses.field(default_factory=list)
    # Without SIZE: run once as users run scripts, not measured warm.
    whole_only: bool = False


def read_manifest(folder: pathlib.Path) -> dict[str, Program]:
    """pyperformance's programs, by name."""
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
            name, PYPERFORMANCE, home / options.get("runscript", "run_benchmark.py"), options.get("extra_opts", []),
            requirements if requirements.exists() else None,
        )
    return programs


def constants(script: pathlib.Path) -> dict[str, object]:
    """The module-level names of a script that are assigned a literal."""
    found = {}
    for node in ast.parse(script.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def own_programs(folder: pathlib.Path = OWN_FOLDER) -> dict[str, Program]:
    """Our own programs, by name: every module that says how much work it does.

    SIZE: for `work` while it is measured warm. WHOLE: when the program is run once, as a script. SIZES: cold.
    """
    programs = {}
    for script in sorted(folder.glob("*.py")):
        says = constants(script)
        if says.keys() & {"SIZE", "WHOLE", "SIZES"}:
            programs[script.stem] = Program(
                script.stem, OWN, script, sizes=list(says.get("SIZES", [])), whole_only="SIZE" not in says,
            )
    return programs


def choose(
    available: dict[str, Program], named: list[str], quick: bool, suite: str | None = None,
) -> tuple[list[Program], dict[str, str]]:
    """The programs to run, and those that are not run with the reason. Whoever is named is run."""
    chosen, left_out = [], {}
    for name in named or (QUICK if quick else list(available)):
        program = available.get(name)
        if program is None:
            left_out[name] = "no such program"
        elif named:
            chosen.append(program)
        elif suite and program.suite != suite:
            continue
        elif name in LEFT_OUT:
            left_out[name] = LEFT_OUT[name]
        elif program.suite == PYPERFORMANCE and any(variant in name for variant in VARIANTS):
            left_out[name] = "a variant of another program"
        else:
            chosen.append(program)
    return chosen, left_out
