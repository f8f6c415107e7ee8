"""Says how much of what pyperformance's programs execute is executed in tier 2 at steady state, and what keeps the rest out.

    python3 bench/coverage.py --python PYTHON --engine LIBRARY [--env HOTSPUR_ENGINE=interp] [PROGRAM ...]

Each program warms up, then runs once more with every instruction counted. Exits with 1 if a program is below --least.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import compare

# What must reach 90% (spelt as in pyperformance's manifest).
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


def share(counts):
    tier1, tier2 = counts["bytecodes"]["tier1"], counts["bytecodes"]["tier2"]
    return tier2 / max(1, tier1 + tier2)


def most(table, number):
    rows = sorted(((n, name) for name, n in table.items() if n), reverse=True)[:number]
    return ", ".join(f"{name} {n}" for n, name in rows)


def row(name, line):
    counts = difference(line["before"], line["after"])
    total = line["after"]
    executed = counts["bytecodes"]
    exits = counts["exits"]
    return (
        f"| {name} | {100 * share(counts):.1f}% | {executed['tier1'] + executed['tier2']} | {total['executors']['alive']} "
        f"| {counts['entries']} | {exits['cold']} / {exits['hot']} | {most(counts.get('instructions', {}), 5)} "
        f"| {most(total['traces']['aborted'], 4)} |"
    )


def main() -> int:
    sys.argv[1:1] = ["--rounds", "1"]
    parser_arguments = sys.argv[1:]
    least = 0.9
    if "--least" in parser_arguments:
        at = parser_arguments.index("--least")
        least = float(parser_arguments[at + 1])
        del sys.argv[1 + at : 3 + at]
    options = compare.parse_options()
    options.programs = options.programs or PROGRAMS
    options.env.append(("HOTSPUR_TIER", "2"))
    compare.end_cleanly_on_signals()
    bench = compare.Bench(options)
    bench.extra_settings = {"counts": True}
    low, failed = [], {}
    try:
        chosen, left_out = compare.choose(bench.libraries, options)
        bench.copy_libraries()
        print("| program | in tier 2 | instructions | executors | entries | exits cold / hot | left in tier 1 | aborts |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        configuration = next(c for c in bench.configurations if c.name == "hotspur")
        for program in chosen:
            results, error = bench.run_once(program, configuration, 1)
            if error:
                failed[program.name] = error
            for name, line in results.items():
                print(row(name, line["counts"]), flush=True)
                if share(difference(line["counts"]["before"], line["counts"]["after"])) < least:
                    low.append(name)
            if options.output:
                with open(options.output + ".jsonl", "a") as output:
                    output.write(json.dumps(results) + "\n")
    finally:
        bench.target.remove()
    for name, reason in left_out.items():
        print(f"\nleft out: {name}: {reason}")
    for name, error in failed.items():
        print(f"\nFAILED {name}: {error}")
    print(f"\nbelow {100 * least:.0f}%: {', '.join(low) or 'none'}")
    return 1 if low or failed else 0


if __name__ == "__main__":
    sys.exit(main())
