"""Machine code and the tier 2 interpreter do the same: equal results, and the same executors, run as often and left by the same exits."""

import json
import unittest

from support import run_program

# What is executed has to be the same each time: compiled at once, nothing depends on time, the order of sets, or when the collector runs.
PARAMETERS = {
    "back_edge_threshold": 50, "entry_threshold": 100, "exit_threshold": 20, "background": 0, "heat_time": 0, "trial_slice": 0, "stress": 0,
}

BEGIN = "import gc, json, sys; gc.disable(); sys.setswitchinterval(1000)\n"

END = """
result = run()
# Whether machine code leads on without the host is its own affair, and for what is found by its place the target is only noted for that.
# All else is the same: what is executed, how often, and how it is left.
def target(x): return None if x.reason in ("linked", "dynamic_target") else x.target
executors = [
    (e.number, e.pc, e.runs, len(e), e.text, [(x.reason, x.pc, x.hits, target(x)) for x in e.exits]) for e in hotspur.executors()
]
stats = hotspur.stats()
counts = [stats[name] for name in ("micro_ops", "entries", "runs", "exits")] + [stats["bytecodes"]["tier2"], stats["traces"]]
print(json.dumps([result, executors, counts]))
"""

PROGRAMS = {
    "loops": """
def run():
    total = 0
    for i in range(300):
        for j in range(i % 40):
            if (i * j) % 7 == 3: continue
            if j > 30: break
            total += i ^ j
        k = i
        while k:
            k //= 2
            total += k & 1
    x = 0.5
    for _ in range(500): x = x * 1.5 - x * 0.25 if x < 100 else x / 64
    return total, x
""",
    "calls": """
class Point:
    def __init__(self, x, y): self.x, self.y = x, y
    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)
    @property
    def norm(self): return self.x * self.x + self.y * self.y
def scale(p, by=2, *more, **named): return Point(p.x * by, p.y * by + len(more) + len(named))
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def run():
    p = Point(0, 0)
    for i in range(400):
        p = p + scale(Point(i, 1), 3) + scale(Point(1, i), 1, 2, 3, a=i)
    return p.norm, fib(14), sum([fib(i % 8) for i in range(200)])
""",
    "kinds": """
class A:
    def value(self): return 1
class B(A):
    def value(self): return 2
class C:
    value = staticmethod(lambda: 3)
def run():
    things, total = [A(), B(), C(), A()], 0
    for i in range(1000): total += things[i % 4 if i > 200 else 0].value()
    mixed, out = [1, 2.5, "a", (1,), 1 << 70], []
    for i in range(600): out.append(mixed[i % 5] * 2)
    A.value = lambda self: 10
    for i in range(300): total += things[i % 2].value()
    return total, len(out), repr(out[-5:])
""",
    "exceptions": """
def check(i):
    if i % 5 == 0: raise KeyError(i)
    if i % 7 == 0: return {}[i]
    return 1 // (i % 3)
def run():
    total = 0
    for i in range(800):
        try: total += check(i)
        except KeyError as error: total += error.args[0]
        except ZeroDivisionError: total -= 1
        finally: total += 1
    try:
        for i in range(1000): [1] * 900 if i < 900 else [][i]
    except IndexError: total += i
    return total
""",
    "generators": """
def numbers(n):
    for i in range(n): yield i
def pairs(n):
    yield from zip(numbers(n), numbers(n + 1))
def averager():
    total = count = 0
    while True:
        total += yield total // (count or 1)
        count += 1
def run():
    total = sum(i * j for i, j in pairs(300))
    g = averager()
    next(g)
    for i in range(300): last = g.send(i)
    for i in range(100):
        for x in numbers(10):
            if x == i % 13: break
            total += x
    return total, last, any(x > 290 for x in numbers(300)), list(numbers(60))[-1]
""",
    "containers": """
def run():
    counts, seen, text = {}, set(), []
    for i in range(700):
        key = f"k{i % 17}"
        counts[key] = counts.get(key, 0) + 1
        seen.add(i * i % 31)
        text.append(key[:1] + str(i))
        if len(text) > 50: text.pop(0)
    xs = [[i, -i] for i in range(200)]
    for k, (a, b) in enumerate(xs): xs[k][0] = a - b
    return sorted(counts.items()), sorted(seen), "".join(text), sum(a for a, _ in xs)
""",
}


class Engines(unittest.TestCase):
    maxDiff = 4000

    def test_equal_results_and_equal_exits(self):
        for name, program in PROGRAMS.items():
            for passes in "all", "none":
                with self.subTest(name, passes=passes):
                    text = BEGIN + program + END
                    jit, interp = (
                        json.loads(run_program(self, text, engine=engine, passes=passes, pythonhashseed=0, **PARAMETERS))
                        for engine in ("jit", "interp")
                    )
                    self.assertEqual(jit[0], interp[0])
                    self.assertEqual(self.expected(program), interp[0])
                    # Not vacuous: traces were recorded, run, left by exits and grown from there.
                    executors, counts = jit[1:]
                    self.assertGreater(len(executors), 2)
                    self.assertGreater(counts[2], 100)
                    self.assertTrue(any(hits and target for e in executors for *_, hits, target in e[-1]))
                    for one, other in zip(jit[1], interp[1]):
                        self.assertEqual(one, other)
                    self.assertEqual(len(jit[1]), len(interp[1]))
                    self.assertEqual(jit[2], interp[2])

    def expected(self, program):
        """What stock CPython makes of it: this may be hot, but a trace function is set."""
        import sys

        names = {}
        sys.settrace(lambda *_: None)
        try:
            exec(program, names)
            result = names["run"]()
        finally:
            sys.settrace(None)
        return json.loads(json.dumps(result))


if __name__ == "__main__":
    unittest.main()
