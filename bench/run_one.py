"""Time one pyperformance program in this process: `run_one.py SETTINGS SCRIPT [ARGUMENT...]`.

compare.py starts this under the interpreter to be measured. It stands in for the module `pyperf`: the script believes
that it talks to pyperf's Runner, but what it hands over is timed here, in-process and in steady state, with our own
warm-up and sample lengths. SETTINGS is a JSON object; one line of JSON per benchmark goes to its "output" file.
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
perf_counter = time.process_time if SETTINGS["clock"] == "cpu" else time.perf_counter


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
    """Warm up, choose how many loops make a sample long enough, take the samples."""
    loops, spent = 1, 0.0
    first = None
    while True:
        seconds = timed(loops)
        spent += seconds
        first = seconds if first is None else first
        if spent >= SETTINGS["warmup"]:
            break
        if seconds < SETTINGS["sample"]:
            loops *= 2
    if SETTINGS.get("counts"):
        return write({"name": name, "counts": counts(lambda: timed(loops))})
    # The last call of the warm-up is the best estimate of the steady state.
    loops = max(1, round(SETTINGS["sample"] * 1.1 * loops / max(seconds, 1e-9)))
    samples = []
    spent = 0.0
    while len(samples) < SETTINGS["samples"] and (spent < SETTINGS["longest"] or len(samples) < 2):
        seconds = timed(loops)
        spent += seconds
        samples.append(seconds / loops)
    write({"name": name, "loops": loops, "first": first, "samples": samples})


def counts(function):
    """What Hotspur did before the call and after it, with every instruction counted meanwhile."""
    import hotspur

    hotspur.set_parameter("count_instructions", 1)
    before = hotspur.stats()
    function()
    return {"before": before, "after": hotspur.stats()}


def write(line):
    with open(SETTINGS["output"], "a") as output:
        output.write(json.dumps(line) + "\n")


pyperf = types.ModuleType("pyperf")
pyperf.Runner = Runner
pyperf.perf_counter = perf_counter
pyperf.python_implementation = lambda: sys.implementation.name
sys.modules["pyperf"] = pyperf

script = sys.argv[2]
sys.argv = sys.argv[2:]
# Scripts import modules from their own folder; the libraries they need were installed into "libraries".
sys.path[:1] = [os.path.dirname(script), SETTINGS["libraries"]]
runpy.run_path(script, run_name="__main__")
