"""Times one program in this process: `run_one.py SETTINGS SCRIPT [ARGUMENT...]`.

Started by the harness under the interpreter to be measured. For pyperformance's programs it stands in for the module
`pyperf`: the script believes that it talks to pyperf's Runner, but what it hands over is timed here, in-process. Our own
programs (SETTINGS "own") are modules with `work(size)` and `expected(size)`, and every result is checked. SETTINGS is a
JSON object; one line of JSON per benchmark goes to its "output" file:

    begin     when the benchmark was ready to run
    curve     [end, loops, seconds] of every timed call from the first one on, the samples included
    samples   seconds per loop, once warm

Points in time are readings of CLOCK_MONOTONIC, or with the clock "cpu" processor time since the process started.

Runs under every interpreter that is compared, so it keeps to what Python 3.9 has.
"""

import argparse
import asyncio
import json
import os
import runpy
import sys
import time
import types

SETTINGS = json.loads(sys.argv[1])
# Processor time leaves out what the process waits for: other programs on the same core, but also sleeps and sockets.
CPU_CLOCK = SETTINGS["clock"] == "cpu"
perf_counter = time.process_time if CPU_CLOCK else time.perf_counter
now = time.process_time if CPU_CLOCK else time.monotonic

# Calls while warming up are this long at least, if the program lets us choose: short enough to see the warm-up.
STEP = 0.02


class Prepared(BaseException):
    """Everything is imported: all that a preparing run is for."""


class Runner:
    """The part of pyperf.Runner that pyperformance's programs use."""

    def __init__(self, **options):
        # pyperf's own options are of no use here: values, processes, add_cmdline_args.
        self.argparser = argparse.ArgumentParser()
        self.metadata = {}
        self.args = None

    def parse_args(self, arguments=None):
        if self.args is None:
            self.args = self.argparser.parse_args(arguments)
        return self.args

    def bench_func(self, name, func, *arguments, inner_loops=None, metadata=None):
        def timed(loops):
            repeat = range(loops)
            start = perf_counter()
            for _ in repeat:
                func(*arguments)
            return perf_counter() - start

        measure(name, timed)

    def bench_time_func(self, name, func, *arguments, inner_loops=None, metadata=None):
        measure(name, lambda loops: func(loops, *arguments))

    def bench_async_func(self, name, func, *arguments, inner_loops=None, metadata=None, loop_factory=None):
        async def repeat(loops):
            start = perf_counter()
            for _ in range(loops):
                await func(*arguments)
            return perf_counter() - start

        def timed(loops):
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                return runner.run(repeat(loops))

        measure(name, timed)

    def bench_command(self, name, command):
        raise SystemExit(f"{name}: times a command; not measured here")


def measure(name, timed):
    """Warms up and takes samples, noting when each call ended."""
    if SETTINGS.get("prepare"):
        raise Prepared
    begin = now()
    curve = []

    def call(loops):
        seconds = timed(loops)
        curve.append((round(now(), 6), loops, round(seconds, 9)))
        return seconds

    loops, spent = 1, 0.0
    started = time.monotonic()
    while True:
        seconds = call(loops)
        spent += seconds
        # With the clock "cpu", a program that mostly waits would take for ever.
        if spent >= SETTINGS["warmup"] or time.monotonic() - started >= 4 * SETTINGS["warmup"]:
            break
        if seconds < STEP:
            loops *= 2
    if SETTINGS.get("counts"):
        return write({"name": name, "counts": counts(lambda: timed(loops))})
    # The last call of the warm-up is the best estimate of the steady state.
    loops = max(1, round(SETTINGS["sample"] * 1.1 * loops / max(seconds, 1e-9)))
    samples = []
    spent = 0.0
    while len(samples) < SETTINGS["samples"] and (spent < SETTINGS["longest"] or len(samples) < 2):
        seconds = call(loops)
        spent += seconds
        samples.append(seconds / loops)
    write({"name": name, "begin": begin, "loops": loops, "curve": curve, "samples": samples})


def measure_own(script):
    """One of our own programs: a module with `work` and `expected`."""
    program = runpy.run_path(script)
    size = SETTINGS.get("size") or program["SIZE"]
    work = program["work"]
    correct = program["expected"](size)

    def timed(loops):
        repeat = range(loops)
        start = perf_counter()
        for _ in repeat:
            result = work(size)
        seconds = perf_counter() - start
        if result != correct:
            raise SystemExit(f"wrong result: {result!r} instead of {correct!r}")
        return seconds

    name = os.path.splitext(os.path.basename(script))[0]
    if SETTINGS.get("cold"):
        write({"name": name, "size": size, "seconds": timed(1)})
    else:
        measure(name, timed)


def counts(function):
    """What Hotspur did before the call and after it, with every instruction counted meanwhile."""
    import hotspur

    hotspur.set_parameter("count_instructions", 1)
    before = hotspur.stats()
    function()
    compiled = [executor for executor in hotspur.executors() if executor.code_size]
    return {
        "before": before, "after": hotspur.stats(), "exits": sum(len(executor.exits) for executor in compiled),
        "exit_bytes": sum(executor.exit_size for executor in compiled),
    }


def write(line):
    with open(SETTINGS["output"], "a") as output:
        output.write(json.dumps(line) + "\n")


def main():
    script = sys.argv[2]
    sys.argv = sys.argv[2:]
    # Scripts import modules from their own folder; the libraries they need were installed into "libraries".
    sys.path[:1] = [os.path.dirname(script), SETTINGS["libraries"]]
    if SETTINGS.get("own"):
        measure_own(script)
        return
    pyperf = types.ModuleType("pyperf")
    pyperf.Runner = Runner
    pyperf.perf_counter = perf_counter
    pyperf.python_implementation = lambda: sys.implementation.name
    sys.modules["pyperf"] = pyperf
    try:
        runpy.run_path(script, run_name="__main__")
    except Prepared:
        pass


main()
