"""Functions and modules that come, get hot and go: memory must level off.

    hotspur --tier 2 tests/soak/functions.py [ROUNDS [PER_CENT]]

Each round makes functions, runs them until they are compiled, drops them, and reloads a module whose functions are hot. Exits with
1 if resident memory grew by more than 1% (or so many per cent: a short run has not levelled off) over the second half. Both with HOTSPUR_BACKGROUND=0 and without.
"""

import ctypes
import gc
import importlib
import os
import pathlib
import sys
import tempfile

import hotspur

FUNCTIONS = 200
SOURCE = """
def make(k):
    class Thing:
        def __init__(self, value):
            self.value = value
        def add(self, n):
            self.value += n
            return self.value
    def loop(n):
        total = k
        for i in range(n):
            total += i ^ k
        return total
    def objects(n):
        thing = Thing(k)
        for i in range(n):
            thing.add(i)
        return thing.value
    return loop, objects
"""
MODULE = "LIMIT = %d\ndef count(n):\n    total = 0\n    for i in range(n):\n        if i < LIMIT:\n            total += 1\n    return total\n"


def enter_executor():
    """Runs a loop that is hot."""
    for _ in range(100):
        pass


def resident():
    """Resident memory of this process, in bytes, without garbage and without what the allocator of C holds free.

    That slack is up to half of the whole where machine code is compiled and changes by megabytes from one moment to the next, with
    the same memory in use: a leak of a few bytes a function could hide in it for a million functions, and it says nothing of leaks. And
    executors of code that has gone are freed when the next executor is entered; what they held may be garbage then.
    """
    for _ in range(3):
        gc.collect()
        enter_executor()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def round(number, folder):
    for k in range(FUNCTIONS // 2):
        namespace = {}
        # The text differs, so that the code objects are different ones as well.
        exec(SOURCE + f"# {number} {k}\n", namespace)
        loop, objects = namespace["make"](k)
        assert loop(60) == k + sum(i ^ k for i in range(60))
        assert objects(60) == k + sum(range(60))
    limit = number % 50
    (folder / "reloaded.py").write_text(MODULE % limit)
    importlib.invalidate_caches()
    sys.modules.pop("reloaded", None)
    module = importlib.import_module("reloaded")
    assert module.count(100) == limit
    importlib.reload(module)
    assert module.count(100) == limit


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    allowed = float(sys.argv[2]) / 100 if len(sys.argv) > 2 else 0.01
    hotspur.set_parameter("back_edge_threshold", 8)
    hotspur.set_parameter("entry_threshold", 8)
    # That those before it were not worth it, looking the same, is to keep no function from being recorded.
    hotspur.set_parameter("worth", 0)
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory() as name:
        sys.path.insert(0, name)
        sizes = []
        for number in range(rounds):
            round(number, pathlib.Path(name))
            if number % max(1, rounds // 20) == 0:
                sizes.append(resident())
                executors = hotspur.stats()["executors"]
                print(f"{number * FUNCTIONS:9} functions  {sizes[-1] / 1e6:8.1f} MB  executors {executors['alive']} "
                      f"of {executors['created']}", flush=True)
    half = sizes[len(sizes) // 2 :]
    growth = half[-1] / half[0] - 1
    made = hotspur.stats()["executors"]["created"]
    print(f"growth over the second half: {100 * growth:.2f}%, {made} executors made")
    # The compiler in the background turns recordings away when it cannot keep up; without it, everything is made.
    expected = 0 if hotspur.parameters()["background"] else rounds * FUNCTIONS // 4
    return 1 if growth > allowed or made <= expected else 0


if __name__ == "__main__":
    sys.exit(main())
