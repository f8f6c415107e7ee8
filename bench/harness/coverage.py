"""How much of what programs execute is executed in tier 2 at steady state, and what keeps the rest out.

Each program warms up, then runs once more with every instruction counted.
"""

from __future__ import annotations

import argparse
import json

from .programs import choose
from .running import Bench, RunFailed, headline

# What must reach the required share (spelt as in pyperformance's manifest).
PROGRAMS = [
    "richards", "deltablue", "nbody", "raytrace", "chaos", "float", "go", "hexiom", "fannkuch", "spectral_norm", "nqueens",
    "generators", "coroutines", "scimark", "pyflate", "crypto_pyaes", "deepcopy", "json_dumps", "logging", "pprint", "html5lib",
]


def difference(before, after):
    """`after - before`, field by field."""
    if isinstance(after, dict):
        return {name: difference(before.get(name, {} if isinstance(value, dict) else 0), value)
                for name, value in after.items()}
    return after - before if isinstance(after, (int, float)) and not isinstance(after, bool) else after


def share(counts: dict) -> float:
    tier1, tier2 = counts["bytecodes"]["tier1"], counts["bytecodes"]["tier2"]
    return tier2 / max(1, tier1 + tier2)


def most(table: dict[str, int], number: int) -> str:
    rows = sorted(((n, name) for name, n in table.items() if n), reverse=True)[:number]
    return ", ".join(f"{name} {n}" for n, name in rows)


def row(name: str, line: dict) -> str:
    counts = difference(line["before"], line["after"])
    total = line["after"]
    executed = counts["bytecodes"]
    exits = counts["exits"]
    return (
        f"| {name} | {100 * share(counts):.1f}% | {executed['tier1'] + executed['tier2']} | {total['executors']['alive']} "
        f"| {line['exit_bytes'] / max(1, line['exits']):.1f} | {counts['entries']} | {exits['cold']} / {exits['hot']} | {most(counts.get('instructions', {}), 5)} "
        f"| {most(total['traces']['aborted'], 4)} |"
    )


def measure(options: argparse.Namespace) -> int:
    options.programs = options.programs or PROGRAMS
    options.configs = options.configs or "hotspur"
    options.env = [("HOTSPUR_TIER", "2"), *options.env]
    bench = Bench(options)
    bench.extra_settings = {"counts": True}
    low, failed = [], {}
    exits = exit_bytes = 0
    try:
        chosen, left_out = choose(bench.libraries.programs, options.programs, quick=False)
        chosen = bench.needed(chosen)
        left_out |= bench.result["left_out"]
        bench.copy_libraries()
        print("| program | in tier 2 | instructions | executors | bytes per exit | entries | exits cold / hot | left in tier 1 | aborts |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        configuration = next(c for c in bench.configurations if c.hotspur)
        for program in chosen:
            try:
                lines = bench.run_script(program, configuration, 1)
            except RunFailed as error:
                failed[program.name] = str(error)
                continue
            for line in lines:
                print(row(line["name"], line["counts"]), flush=True)
                exits += line["counts"]["exits"]
                exit_bytes += line["counts"]["exit_bytes"]
                if share(difference(line["counts"]["before"], line["counts"]["after"])) < options.least:
                    low.append(line["name"])
            if options.output:
                with open(options.output, "a") as output:
                    output.write(json.dumps({line["name"]: line for line in lines}) + "\n")
    finally:
        bench.target.remove()
    for name, reason in left_out.items():
        print(f"\nleft out: {name}: {reason}")
    for name, error in failed.items():
        print(f"\nFAILED {name}: {headline(error)}")
    print(f"\nbytes of machine code for each of {exits} exits: {exit_bytes / max(1, exits):.1f}")
    print(f"below {100 * options.least:.0f}%: {', '.join(low) or 'none'}")
    return 1 if low or failed else 0
