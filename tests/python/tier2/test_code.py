"""Machine code: what there is of it."""

import os
import unittest

import hotspur
from support import Tier2Case, UsualThresholds, counted, needs_machine_code, run_program

def many_loops(count, prefix):
    """Functions that were never called, each with a loop of its own."""
    functions = []
    for k in range(count):
        namespace = {}
        exec(f"def {prefix}_{k}(n):\n t = {k}\n for i in range(n): t += i ^ {k}\n return t", namespace)
        functions.append(namespace[f"{prefix}_{k}"])
    return functions


class Sizes(Tier2Case):
    def test_exits_are_small(self):
        class Point:
            def __init__(self, x, y):
                self.x, self.y = x, y

            def moved(self, dx, dy):
                return Point(self.x + dx, self.y + dy)

        def f(n):
            p = Point(0, 0.5)
            seen = []
            for i in range(n):
                p = p.moved(i % 3, 0.25)
                if p.x % 5 == 0:
                    seen.append(p)
            return len(seen)

        f(10)
        expect = f(3000)
        self.hot(f, 3000, expect=expect)
        executors = [e for e in hotspur.executors() if e.code_size]
        if os.environ["HOTSPUR_ENGINE"] == "interp":
            self.assertEqual(executors, [])
            return
        exits = sum(len(e.exits) for e in executors)
        self.assertGreater(exits, 50)
        self.assertLessEqual(sum(e.exit_size for e in executors) / exits, 36)
        for executor in executors:
            self.assertLess(executor.exit_size, executor.code_size)


class PassingCallers(UsualThresholds):
    """Functions called by code that is compiled to be run a few times, as what `exec` is given: traces of them do not go with each caller."""

    CALLS = 60

    def test_executors_outlive_callers(self):
        def get(values, i):
            for value in values:
                if value > i:
                    return value
            return i

        source = "".join(f"total += get(values, {i % 3})\n" for i in range(self.CALLS))

        def generation(k):
            namespace = {"get": get, "values": [0, 1, 2, 3], "total": 0}
            code = compile(source, f"<generation {k}>", "exec")
            for _ in range(100):
                exec(code, namespace)
            return namespace["total"]

        expect = 100 * self.CALLS * 2
        for k in range(8):
            self.assertEqual(generation(k), expect)
        before = {e.number for e in hotspur.executors(get)}
        self.assertTrue(before)
        for k in range(4):
            self.assertEqual(generation(k), expect)
        self.assertEqual({e.number for e in hotspur.executors(get)}, before)

    def test_callers_that_stay_are_returned_to(self):
        """One by another, the callers are functions; or it is the same code each time."""

        def get(i):
            return i + 1

        def f(n):
            total = 0
            for i in range(n):
                total += get(i)
            return total

        for _ in range(3):
            self.assertEqual(f(6000), 6000 * 6001 // 2)
        namespace = {"get": get, "n": 6000}
        code = compile("total = 0\nfor i in range(n):\n    total += get(i)", "<lasting>", "exec")

        def run():
            exec(code, namespace)
            return namespace["total"]

        self.hot(run, expect=6000 * 6001 // 2, share=0.9)
        _, counts = counted(run)
        self.assertLess(counts["runs"], 600)


class Warmth(Tier2Case):
    """Who was entered between two sweeps stays."""

    def test_sweeps(self):
        # No sweep comes by itself: it might fall between the two below.
        interval = hotspur.parameters()["sweep_interval"]
        hotspur.set_parameter("sweep_interval", 1000000)
        self.addCleanup(hotspur.set_parameter, "sweep_interval", interval)
        used, unused = many_loops(2, "swept")
        for f in used, unused:
            for _ in range(6):
                f(3000)
        # Making the second one's executors may have brought about a sweep.
        for f in used, unused:
            f(3000)
        hotspur._hotspur.sweep_executors()
        kept = [e.number for e in hotspur.executors(used)]
        lost = [e.number for e in hotspur.executors(unused)]
        self.assertTrue(kept and lost)
        used(3000)
        self.assertGreater(hotspur._hotspur.sweep_executors(), 0)
        self.assertEqual([e.number for e in hotspur.executors(unused)], [])
        self.assertTrue(set(kept) & {e.number for e in hotspur.executors(used)})
        # It is what it was, and may become hot again.
        self.assertEqual(unused(3000), 1 + sum(i ^ 1 for i in range(3000)))


class Memory(unittest.TestCase):
    SCRIPT = """
from test_code import many_loops
functions = many_loops(300, "crowd")
for k, f in enumerate(functions):
    for _ in range(3):
        assert f(100) == k + sum(i ^ k for i in range(100))
stats = hotspur.stats()
print(stats["executors"]["created"], stats["code_bytes"], stats["executors"]["invalidated"].get("code_memory", 0),
      stats["executors"]["swept"], stats["traces"]["aborted"].get("too_many_executors", 0))
"""

    @needs_machine_code
    def test_code_memory_is_used_again(self):
        limit = 65536
        script = f"sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\n" + self.SCRIPT
        printed = run_program(self, script, code_bytes=limit, back_edge_threshold=20, background=0)
        created, code_bytes, for_memory, swept, refused = map(int, printed.split())
        self.assertGreaterEqual(created, 300)
        self.assertLessEqual(code_bytes, limit)
        # Not everything fitted: some had to go, and some were turned away when everything was warm.
        self.assertGreater(for_memory + swept, 0)
        self.assertGreater(refused, 0)
        self.assertLess(refused, created)


class PerfMap(unittest.TestCase):
    @needs_machine_code
    def test_entries(self):
        path = f"/tmp/perf-{os.getpid()}.map"
        hotspur.set_parameter("perf_map", 1)
        try:
            [f] = many_loops(1, "mapped")
            for _ in range(6):
                f(3000)
        finally:
            hotspur.set_parameter("perf_map", 0)
        with open(path) as file:
            lines = file.read().splitlines()
        executors = {f"hotspur:mapped_0:1#{e.number}": e for e in hotspur.executors(f)}
        entries = {name: int(size, 16) for _, size, name in (line.split(" ", 2) for line in lines)}
        self.assertTrue(executors)
        for name, executor in executors.items():
            self.assertEqual(entries[name], executor.code_size)
        os.unlink(path)


class Code(unittest.TestCase):
    """Machine code as the process has it in memory."""

    SCRIPT = """
import ctypes, os, sys
sys.path.insert(0, {folder!r})
from test_code import many_loops

def mappings():
    # Address ranges with their protection.
    with open("/proc/self/maps") as maps:
        for line in maps:
            addresses, protection = line.split()[:2]
            begin, end = (int(address, 16) for address in addresses.split("-"))
            yield begin, end, protection

def look():
    # No page can be written and executed. (Loops, not lambdas: what looks may be hot itself.)
    for begin, end, protection in mappings():
        assert not ("w" in protection and "x" in protection), protection

functions = many_loops(60, "wx")
for number, f in enumerate(functions):
    for _ in range(3): assert f(400) == number + sum([i ^ number for i in range(400)])
    look()
# Memory is given back and taken again.
for f in functions[::2]:
    for executor in hotspur.executors(f): hotspur._hotspur.remove_executors(executor.number)
look()
for number, f in enumerate(functions):
    for _ in range(3): assert f(400) == number + sum([i ^ number for i in range(400)])
    look()

# From here on nothing is compiled, and no code removed.
hotspur.disable()
path = f"/tmp/perf-{{os.getpid()}}.map"
found = dict.fromkeys(("executor", "passage", "stub"), 0)
with open(path) as entries:
    # The last ones: where code was removed there may be other code since.
    latest = {{}}
    for entry in entries:
        begin, size, name = entry.split(maxsplit=2)
        begin, size = int(begin, 16), int(size, 16)
        for other in [b for b, (n, _) in latest.items() if b < begin + size and begin < b + n]: del latest[other]
        latest[begin] = size, name.strip()
os.remove(path)
alive = {{e.number for e in hotspur.executors() if e.code_size}}
for begin, (size, name) in latest.items():
    kind = name.split(":")[1]
    kind = kind if kind in ("stub", "passage") else "executor"
    if kind == "executor" and int(name.rsplit("#", 1)[1]) not in alive: continue
    # It is executable and no more, in all its pages. (The kernel may keep neighbours with the same protection as mappings of their own.)
    parts = [(max(first, begin), min(end, begin + size), p) for first, end, p in mappings() if first < begin + size and begin < end]
    assert {{p for _, _, p in parts}} == {{"r-xp"}} and sum(end - first for first, end, _ in parts) == size, (name, begin, size, parts)
    code = ctypes.string_at(begin, size)
    found[kind] += 1
    # Stubs that only jump on to functions of the engine have no frame.
    if kind == "stub" and code[:2] == b"\\xff\\x25": continue
    assert code[:4] == b"\\x55\\x48\\x89\\xe5", (name, code[:8].hex())  # push rbp; mov rbp, rsp
print(*found.values())
"""

    @needs_machine_code
    def test_pages_and_frame_pointers(self):
        script = self.SCRIPT.format(folder=os.path.dirname(os.path.abspath(__file__)))
        parameters = {"back_edge_threshold": 20, "exit_threshold": 50, "background": 0, "perf_map": 1, "code_bytes": 1 << 20}
        executors, passages, stubs = map(int, run_program(self, script, **parameters).split())
        self.assertGreaterEqual(executors, 60)
        self.assertGreater(passages, 0)
        self.assertGreater(stubs, 0)
