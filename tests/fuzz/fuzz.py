"""Differential fuzzer: random programs must print the same under the stock interpreter and under Hotspur.

    python3 tests/fuzz/fuzz.py [--python P] [--hotspur H] [--seed S] [--programs N] [--minutes M] [--keep DIR]
    python3 tests/fuzz/fuzz.py --tier2 [--env HOTSPUR_ENGINE=interp] [--env HOTSPUR_PASSES=-sink] ...

Programs (see `generate.py`, and `hot.py` for tier 2) run in batches, a process for each batch and each of three configurations: stock, Hotspur, and
Hotspur with HOTSPUR_STRESS=1. With --tier2, the one configuration besides stock is tier 2 with counters that trigger at once,
as machine code with all passes unless --env says something else; one place in 32 is recorded from, others in each batch (compiling everything takes
longer than a program may run). A program whose output differs, or which crashes the process, is shrunk and written to
DIR/SEED.py with the outputs behind it. Ends with status 1 if there was one. A run is determined by the seed.
Says how many of the programs ran in executors.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORKER = os.path.join(HERE, "worker.py")
sys.path.insert(0, HERE)

from worker import source_of  # noqa: E402


TIER2 = {
    "HOTSPUR_ENGINE": "jit", "HOTSPUR_PASSES": "all", "HOTSPUR_BACKGROUND": "0", "HOTSPUR_BACK_EDGE_THRESHOLD": "2",
    "HOTSPUR_ENTRY_THRESHOLD": "2", "HOTSPUR_EXIT_THRESHOLD": "2", "HOTSPUR_BACKOFF": "1", "HOTSPUR_STOP_EVERY": "10", "HOTSPUR_FAIL_EVERY": "30",
    "HOTSPUR_SAMPLE": "32", "FUZZ_TIME": "10",
}


class Config:
    def __init__(self, name, command, env):
        self.name, self.command = name, command
        self.env = dict(os.environ, PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1") | env
        # Programs that were run by an executor.
        self.compiled = 0

    def run(self, arguments, timeout):
        """Outputs by program; the output of the program that a process died of says how."""
        try:
            p = subprocess.run([*self.command, WORKER, *arguments], env=self.env, capture_output=True, timeout=timeout)
            status, text, errors = p.returncode, p.stdout, p.stderr
        except subprocess.TimeoutExpired as e:
            status, text, errors = "timeout", e.stdout or b"", e.stderr or b""
        outputs, last = {}, None

        # The order of a set depends on addresses.
        def normal(output):
            return ["{" + "".join(sorted(x)) + "}" if "{" in x else x for x in output]

        for line in text.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if not isinstance(record, list):
                continue
            last = record[1]
            outputs[record[1]] = normal(record[2]) if record[0] == "end" else None
            self.compiled += record[0] == "end" and record[3] > 0
        if status != 0:
            outputs[last] = [f"PROCESS ENDED: {status}", *errors.decode(errors="replace").splitlines()[-12:]]
        return outputs


def first_difference(a, b):
    for i in range(max(len(a), len(b))):
        x, y = a[i] if i < len(a) else None, b[i] if i < len(b) else None
        if x != y:
            return i, x, y
    return None


class Fuzzer:
    def __init__(self, args):
        self.args = args
        hotspur = [args.hotspur, "--python", args.python]
        env = dict(pair.split("=", 1) for pair in args.env)
        if args.tier2:
            # For all processes.
            os.environ["FUZZ_HOT"] = "1"
        self.configs = [Config("stock", [args.python], {})]
        if args.tier2:
            self.configs.append(Config("tier 2", [*hotspur, "--tier", "2"], TIER2 | env))
        else:
            self.configs.append(Config("hotspur", hotspur, env))
            self.configs.append(Config("stress", hotspur, {"HOTSPUR_STRESS": "1"} | env))
        self.sample_seed = env.get("HOTSPUR_SAMPLE_SEED")
        self.failures = []
        for config in self.configs[1:]:
            # Not vacuous.
            check = "import hotspur, sys; sys.exit(not hotspur.is_enabled())"
            subprocess.run([*config.command, "-c", check], env=config.env, check=True)

    def differs(self, source, config):
        with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as f:
            f.write(source)
            f.flush()
            outputs = [c.run(["--files", f.name], 60).get(f.name) for c in (self.configs[0], config)]
        if None in outputs or ["late"] in outputs or any(o and o[0].startswith("syntax") for o in outputs):
            return None
        if outputs[0] and outputs[0][0].startswith("PROCESS"):
            return None
        return outputs if outputs[0] != outputs[1] else None

    def shrink(self, source, config, seconds):
        """Drops lines and blocks as long as the outputs differ."""
        lines = source.splitlines()
        end = time.monotonic() + seconds
        size = max(1, len(lines) // 2)
        while size >= 1 and time.monotonic() < end:
            i, changed = 0, False
            while i < len(lines) and time.monotonic() < end:
                candidate = lines[:i] + lines[i + size:]
                text = "\n".join(candidate) + "\n"
                try:
                    compile(text, "x", "exec")
                    valid = True
                except (SyntaxError, ValueError):
                    valid = False
                if valid and self.differs(text, config):
                    lines, changed = candidate, True
                else:
                    i += size
            if not changed or size > 1:
                size //= 2
        return "\n".join(lines) + "\n"

    def report(self, seed, config, stock, other):
        source = source_of(seed)
        found = first_difference(stock, other)
        print(f"seed {seed}: {config.name} differs at output {found[0]}:\n  stock: {found[1]}\n  other: {found[2]}", flush=True)
        alone = self.differs(source, config)
        if not alone:
            print("  (not when run alone)", flush=True)
        elif self.args.shrink:
            source = self.shrink(source, config, self.args.shrink)
            alone = self.differs(source, config)
        if alone:
            i, stock, other = first_difference(*alone)
            source += f"\n# {config.name}, output {i}:\n#  stock: {stock}\n#  other: {other}\n"
            if other and other.startswith("PROCESS"):
                source += "".join(f"#  {line}\n" for line in alone[1])
        os.makedirs(self.args.keep, exist_ok=True)
        with open(os.path.join(self.args.keep, f"{seed}.py"), "w", encoding="utf-8") as f:
            f.write(source)
        self.failures.append(seed)

    def batch(self, first, count):
        if self.args.tier2:
            tier2 = self.configs[1].env
            # Other places than in the batch before, also when a program is run alone.
            tier2["HOTSPUR_SAMPLE_SEED"] = self.sample_seed or str(first // count % int(tier2["HOTSPUR_SAMPLE"]))
        results = [c.run([str(first), str(count)], 30 + count * (10 if self.args.tier2 else 2)) for c in self.configs]
        ran = 0
        for seed in range(first, first + count):
            outputs = [r.get(seed) for r in results]
            if outputs[0] is None or outputs[0][:1] == ["late"] or outputs[0][:1] and outputs[0][0].startswith("PROCESS"):
                continue
            compared = [(c, o) for c, o in zip(self.configs[1:], outputs[1:]) if o is not None and o != ["late"]]
            ran += bool(compared)
            for config, output in compared:
                if output != outputs[0]:
                    self.report(seed, config, outputs[0], output)
                    break
        return ran

    def main(self):
        start, seed, ran = time.monotonic(), self.args.seed, 0
        while self.args.programs is None or seed < self.args.seed + self.args.programs:
            if self.args.minutes and time.monotonic() - start > 60 * self.args.minutes:
                break
            ran += self.batch(seed, self.args.batch)
            seed += self.args.batch
            if len(self.failures) >= self.args.failures:
                break
        print(f"{ran} programs compared in {time.monotonic() - start:.0f} s, seeds {self.args.seed} to {seed - 1}; "
              f"{len(self.failures)} differ: {self.failures}; "
              + "; ".join(f"{config.name}: {config.compiled} ran in executors" for config in self.configs[1:]))
        if self.args.tier2 and not self.configs[1].compiled:
            return 1
        return 1 if self.failures else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--hotspur", default=os.path.join(ROOT, "target/release/hotspur"))
    parser.add_argument("--tier2", action="store_true")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for Hotspur")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--programs", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--failures", type=int, default=10, help="stop after so many")
    parser.add_argument("--shrink", type=float, default=60, help="seconds to spend on shrinking a program")
    parser.add_argument("--keep", default="/tmp/hotspur-fuzz")
    sys.exit(Fuzzer(parser.parse_args()).main())
