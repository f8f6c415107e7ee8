"""The tables of reasons: why recordings are given up, and why executors become invalid. Each reason that a program can cause is caused by
a program here, and counted; of each other one it is said why none can."""

import json
import os
import re
import tempfile
import unittest

import hotspur
from support import COMPILES, run_program

# What programs begin with: `make` gives the functions of a source that nothing else has executed.
BEGIN = """
import gc, json
def make(source, **names):
    exec(source, names)
    return names
"""

END = """
stats = hotspur.stats()
print(json.dumps([stats["traces"]["started"], stats["traces"]["aborted"], stats["executors"]["invalidated"], stats["runs"]]))
"""

# Loops become hot at once, functions do not, and nothing depends on time.
PARAMETERS = {
    "back_edge_threshold": 50, "entry_threshold": 4000, "exit_threshold": 20, "backoff": 3, "background": 0, "heat_time": 0, "trial_slice": 0,
    "stress": 0, "passes": "all",
}

ABORTS = {
    "too_long": ("""
        class Slow:
            def __index__(self):
                for _ in range(3000): pass
                return 1
        f = make("def f(n, slow):\\n for i in range(n): 'x' * slow\\n return i\\n")["f"]
        assert f(60, Slow()) == 59
        """, {"back_edge_threshold": 30}),
    "too_many_constants": ("""
        f = make("def f(n):\\n for i in range(n): len('a'), abs(i), len('b'), repr\\n return i\\n")["f"]
        assert f(1000) == 999
        """, {"constants": 1}),
    "too_many_exits": ("""
        f = make("def f(n):\\n t = 0\\n for i in range(n):\\n  if i & 1: t += i\\n return t\\n")["f"]
        assert f(1000) == 250000
        """, {"exits": 1}),
    "too_many_executors": ("""
        names = make("def f(n):\\n for i in range(n): pass\\n return i\\ndef g(n):\\n for i in range(n): f(2)\\n return i\\n")
        assert names["f"](1000) == 999 and names["g"](1000) == 999
        """, {"executors": 1}),
    "too_deep": ("""
        f = make("def g(): return 1\\ndef f(n):\\n for i in range(n): g()\\n return i\\n")["f"]
        # A frame is allowed on top of the first: in what is called in it, the trace has not done enough yet to be of use.
        h = make("def a(): return b()\\ndef b(): return c()\\ndef c(): return 1\\ndef f(n):\\n for i in range(n): a()\\n return i\\n")["f"]
        assert f(1000) == 999 and h(1000) == 999
        """, {"inlined_frames": 1}),
    "snapshot_too_large": ("""
        xs = ", ".join(f"x{i}" for i in range(30))
        f = make(f"def f(n):\\n {xs} = range(30)\\n for i in range(n): x1 += 1\\n return x1\\n")["f"]
        assert f(1000) == 1001
        """, {"snapshot_slots": 16}),
    "recursion_unrolled": ("""
        r = make("def r(): r()\\n")["r"]
        for _ in range(20):
            try: r()
            except RecursionError: pass
            else: raise AssertionError
        """, {"entry_threshold": 100}),
    "inner_loop": ("""
        f = make("def f(n, its):\\n for i in range(n):\\n  for _ in its[i % len(its)]: pass\\n return i\\n")["f"]
        assert f(500, [[]]) == 499
        # The inner loop was never gone round; a tuple is not what was recorded.
        assert f(200, [[], [], [], (1, 2, 3)]) == 199
        """, {"back_edge_threshold": 400, "exit_threshold": 10}),
    "left_start": ("""
        def main():
            for k in range(45, 60):
                # The exception leaves the frame when the loop has just become hot, for one of these.
                f = make("def f(n, s):\\n for i in range(n): s.remove(i)\\n")["f"]
                try: f(200, set(range(k)))
                except KeyError as error: assert error.args == (k,)
                else: raise AssertionError
        main()
        """, {}),
    "exception_raised": ("""
        f = make("def f(n, s):\\n t = 0\\n for i in range(n):\\n  try: s.remove(1)\\n  except KeyError: t += 2\\n return t\\n")["f"]
        assert f(1000, set()) == 2000
        """, {}),
    "frame_cleared": ("""
        # An exception leaves the activation, which is CPython's own, and the next one has a frame where there was another.
        for k in range(45, 60):
            f = make("def g(i, k):\\n yield 1\\n if i == k: raise KeyError\\n"
                     "def f(n, k):\\n for i in range(n):\\n  for x in g(i, k): pass\\n")["f"]
            try: f(200, k)
            except KeyError: pass
            else: raise AssertionError
        """, {}),
    "code_changed": ("""
        for k in range(40, 70):
            # The function dies in the round that is recorded, whichever that is.
            names = make("def g(): return 1\\ndef f(n, k):\\n for i in range(n):\\n  g()\\n  if i == k: change()\\n return i\\n")
            def change():
                names["g"] = lambda: 2
                gc.collect()
            names["change"] = change
            assert names["f"](200, k) == 199
        """, {}),
    "executor_removed": ("""
        for k in range(205, 240):
            # The executor goes while what is taken from its exit is recorded, in one of these rounds.
            f = make("def f(n, k):\\n t = 0\\n for i in range(n):\\n  if i > 200:\\n   t += 1\\n   if i == k: remove()\\n   t += 1\\n return t\\n",
                     remove=hotspur._hotspur.remove_executors)["f"]
            assert f(500, k) == 2 * 299
        """, {}),
    "dependency_changed": ("""
        for k in range(40, 70):
            names = make("x = 1\\ndef f(n, k):\\n t = 0\\n for i in range(n):\\n  t += x\\n  if i == k: change()\\n return t\\n")
            names["change"] = lambda: names.__setitem__("x", 2)
            assert names["f"](200, k) == k + 1 + 2 * (199 - k)
        """, {}),
    "tools_active": ("""
        import sys
        for k in range(45, 60):
            # A trace function is set in the round that is recorded, for one of these.
            f = make("def f(n, k):\\n t = 0\\n for i in range(n):\\n  t += i\\n  if i == k: on()\\n return t\\n", on=lambda: sys.settrace(lambda *_: None))["f"]
            assert f(200, k) == 19900
            sys.settrace(None)
            assert f(200, -1) == 19900
        """, {}),
    "shutting_down": ("""
        import os
        hotspur._hotspur.pause_compiler(True)
        f = make("def f(n):\\n for i in range(n): pass\\n return i\\n")["f"]
        assert f(1000) == 999 and hotspur.stats()["executors"]["pending"]
        # In the child, nobody compiles it.
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == 0
            os._exit(0)
        assert f(1000) == 999
        """, {"background": 1}),
}

NO_ABORTS = {
    "recorder_interrupted": "each thread is shown its own recording only, so another one's registers never come to the recorder",
    "stack_mismatch": "the recorder is compared with the frame in stress mode: it would be a mistake of the recorder",
    "verifier_failed": "it would be a mistake of the recorder or the optimizer",
    "compile_failed": "Cranelift compiles whatever the verifier accepts, if it is not too large",
    "out_of_memory": "the arena has a fixed size: where there is no room, executors go, and `too_many_executors` is the reason",
}

INVALIDATIONS = {
    "type_modified": ("""
        names = make("class A: value = 1\\ndef f(n):\\n t = 0\\n for i in range(n): t += A.value\\n return t\\n")
        assert names["f"](1000) == 1000
        names["A"].value = 2
        assert names["f"](1000) == 2000
        """, {}),
    "type_freed": ("""
        # Classes that are in no cycle, being no bases of their own and without descriptors: they die as anything else does.
        class Meta(type):
            def mro(cls): return (Base, object) if ready else super().mro()
        class Base: value = 1
        f = make("def f(n, C):\\n t = 0\\n for i in range(n): t += C.value\\n return t\\n")["f"]
        gc.disable()
        addresses = []
        for _ in range(20):
            ready = False
            C = Meta("C", (Base,), {"__slots__": ()})
            ready = True
            C.__bases__ = Base,
            addresses.append(id(C))
            assert f(1000, C) == 1000
            del C
        assert len(set(addresses)) < len(addresses)
        """, {"kinds": 4000, "alternatives": 4000}),
    "dict_modified": ("""
        names = make("x = 1\\ndef f(n):\\n t = 0\\n for i in range(n): t += x\\n return t\\n")
        assert names["f"](1000) == 1000
        names["x"] = 2
        assert names["f"](1000) == 2000
        """, {}),
    "function_modified": ("""
        names = make("def g(a=1): return a\\ndef f(n):\\n t = 0\\n for i in range(n): t += g()\\n return t\\n")
        assert names["f"](1000) == 1000
        names["g"].__defaults__ = (2,)
        assert names["f"](1000) == 2000
        """, {}),
    "code_freed": ("""
        names = make("def f(n):\\n for i in range(n): pass\\n return i\\n")
        assert names["f"](1000) == 999
        del names
        gc.collect()
        """, {}),
    "cold": ("""
        f = make("def f(n):\\n for i in range(n): pass\\n return i\\n")["f"]
        assert f(1000) == 999
        # There is a sweep for each new executor, and the second one finds that it was not entered.
        for _ in range(3):
            make("def g(n):\\n for i in range(n): pass\\n return i\\n")["g"](1000)
        assert not hotspur.executors(f)
        """, {"sweep_interval": 1}),
    "losing": ("""
        f = make("def g(a): return a\\ndef f(n):\\n for i in range(n): repr(C())\\n return i\\nclass C:\\n def __repr__(self): return 'x'\\n")["f"]
        assert f(5000) == 4999
        """, {"entry_threshold": 100, "losing_interval": 500}),
    "many_kinds": ("""
        many = [make(f"def g(i): return i + {k}")["g"] for k in range(32)]
        f = make("def f(n):\\n t = 0\\n for i in range(n): t += many[i % 32](i)\\n return t\\n", many=many)["f"]
        for _ in range(10):
            assert f(4000) == sum(i + i % 32 for i in range(4000))
        """, {}),
    "link_lost": ("""
        for k in range(205, 240):
            # As for `executor_removed`, where an instruction that tier 1 executes leads elsewhere: that is no bridge, which could not be compiled.
            f = make("def f(n, k):\\n t = 0\\n for i in range(n):\\n  try: a, *b = xs[i]\\n  except ValueError:\\n   t += 1\\n"
                     "   if i == k: remove()\\n   t += 1\\n return t\\n", remove=hotspur._hotspur.remove_executors,
                     xs=["00"] * 200 + [""] * 300)["f"]
            assert f(500, k) == 2 * 300
        """, {}),
    "shutdown": ("""
        import ctypes
        f = make("def f(n):\\n for i in range(n): pass\\n return i\\n")["f"]
        assert f(1000) == 999
        # It outlives everything.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(f))
        """, {}),
    "requested": ("""
        f = make("def f(n):\\n for i in range(n): pass\\n return i\\n")["f"]
        assert f(1000) == 999
        [executor] = hotspur.executors(f)
        assert hotspur._hotspur.remove_executors(executor.number)
        assert not hotspur.executors(f) and f(1000) == 999
        """, {}),
}

NO_INVALIDATIONS = {}

WITH_MACHINE_CODE = {
    "code_memory": ("""
        # There are more functions than there is room for, and they are run no more.
        for k in range(400):
            names = make(f"def f(n):\\n t = {k}\\n for i in range(n):\\n  t += i // 3 + i % 5\\n return t\\n")
            names["f"](1000)
            globals()[f"kept{k}"] = names
        """, {"code_bytes": 65536}),
    "not_compiled": ("""
        xs = ", ".join(f"x{i}" for i in range(400))
        f = make(f"def f(n):\\n t = tuple(range(400))\\n for i in range(n):\\n  {xs} = t\\n  u = [{xs}]\\n return u\\n")["f"]
        assert f(1000) == list(range(400))
        """, {}),
    "forked": ABORTS["shutting_down"],
}


class Meta(type):
    def mro(cls):
        return super().mro()


if not hotspur._hotspur.version("type", Meta("C", (), {})):
    # That depends on CPython's release: 3.13.0 gives such a class a version, and 3.13.18 does not.
    NO_INVALIDATIONS["type_freed"] = "classes die in cycles, modified first, if `mro` is that of `type`; and if not, nothing can depend on them"
    del INVALIDATIONS["type_freed"]

if COMPILES:
    INVALIDATIONS |= WITH_MACHINE_CODE
else:
    NO_INVALIDATIONS |= dict.fromkeys(WITH_MACHINE_CODE, "executors have no machine code, and are there as soon as they are recorded")
    NO_ABORTS["shutting_down"] = NO_INVALIDATIONS["forked"]
    del ABORTS["shutting_down"]


class Reasons(unittest.TestCase):
    def run_and_count(self, program, parameters):
        """Runs a program. Returns how many recordings were started, aborts and invalidations by reason, runs; and invalidations by
        reason as the log has them, which says what happened in the end, too."""
        text = "\n".join(line.removeprefix("        ") for line in program.splitlines())
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")
            printed = run_program(self, BEGIN + text + END, **PARAMETERS | parameters, log=log)
            with open(log) as lines:
                logged = re.findall(r"^hotspur [\d.]+ #\d+ (?:invalidated|swept|retired): (\w+), after ", lines.read(), re.M)
        return *json.loads(printed), {reason: logged.count(reason) for reason in logged}

    def test_the_tables_are_covered(self):
        names = hotspur._hotspur.reasons()
        for kind, programs, impossible in ("abort", ABORTS, NO_ABORTS), ("invalidation", INVALIDATIONS, NO_INVALIDATIONS):
            self.assertEqual(sorted([*programs, *impossible]), sorted(names[kind]))
            self.assertTrue(all(impossible.values()))
        # Those of exits are covered by files that execute every op that exits.
        self.assertGreater(len(names["exit"]), 20)

    def test_recordings_are_given_up(self):
        for reason, (program, parameters) in ABORTS.items():
            with self.subTest(reason):
                started, aborted, _, runs, _ = self.run_and_count(program, parameters)
                self.assertGreater(aborted.get(reason, 0), 0, (started, aborted))
                self.assertGreaterEqual(started, sum(aborted.values()))
                self.assertLessEqual(aborted.keys(), set(hotspur._hotspur.reasons()["abort"]))

    def test_executors_become_invalid(self):
        for reason, (program, parameters) in INVALIDATIONS.items():
            with self.subTest(reason):
                started, aborted, invalidated, runs, logged = self.run_and_count(program, parameters)
                self.assertGreater(logged.get(reason, 0), 0, (aborted, invalidated, logged))
                if reason != "shutdown":
                    self.assertGreater(invalidated.get(reason, 0), 0, (aborted, invalidated, logged))
                    self.assertLessEqual(invalidated[reason], logged[reason])
                if reason not in ("not_compiled", "forked"):
                    self.assertGreater(runs, 0)


if __name__ == "__main__":
    unittest.main()
