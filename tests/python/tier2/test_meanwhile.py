"""What other code does while a trace runs, or is recorded: finalizers, callbacks, other threads, tools, and whoever removes executors."""

import ctypes
import sys
import threading
import time
import weakref

import hotspur
from hotspur import _hotspur
from support import Tier2Case, UsualThresholds, counted, describe, runs_of

N = 3000


def make(source, **names):
    """The names of a source that nothing else has executed."""
    exec(source, names)
    return names


class Finalizers(Tier2Case):
    """In the middle of a round an object dies, and with that something changes that the trace relies on: the rest of the round, and all
    others, see that."""

    LOOP = """
{setup}
def f(n, at):
    restore()
    total = 0
    for i in range(n):
        total += {before}
        thing = Thing() if i != at else Armed()
        thing = None
        total += {before}
    return total
"""

    def check(self, setup, before, old, new, reason):
        names = make(self.LOOP.format(setup=setup, before=before), weakref=weakref)
        f = names["f"]
        untouched, changed = 2 * N * old, (N + 1) * old + (N - 1) * new
        # First nothing changes, and the trace is good for the whole loop.
        self.hot(f, N, -1, expect=untouched, share=0.3)
        with self.running(f):
            self.assertEqual(f(N, -1), untouched)
        result, counts = counted(f, N, N // 2)
        self.assertEqual(result, changed)
        self.assertGreater(counts["runs"], 0)
        # The executor has become invalid; and it is none other that went on.
        self.assertGreater(counts[f"executors.invalidated.{reason}"], 0, describe(f))
        for _ in range(8):
            self.assertEqual(f(N, N // 2), changed)
        self.assertEqual(f(N, -1), untouched)

    CHANGES_A_GLOBAL = """
value = 1
class Thing: pass
def restore():
    global value
    if value != 1: value = 1
def change():
    global value
    value = 5
"""
    CHANGES_CODE = """
def five(): return 5
def callee(): return 1
original = callee.__code__
class Thing: pass
def restore():
    if callee.__code__ is not original: callee.__code__ = original
def change():
    callee.__code__ = five.__code__
"""
    BY_DEL = """
class Armed:
    def __del__(self): change()
"""
    BY_CALLBACK = """
class Dying: pass
def Armed():
    thing = Dying()
    Dying.ref = weakref.ref(thing, lambda _: change())
    return thing
"""

    def test_a_finalizer_assigns_a_global(self):
        # `N // 2` of the first reads come before, and one in the very round.
        self.check_global(self.BY_DEL)

    def test_a_callback_assigns_a_global(self):
        self.check_global(self.BY_CALLBACK)

    def test_a_finalizer_replaces_code(self):
        self.check_code(self.BY_DEL)

    def test_a_callback_replaces_code(self):
        self.check_code(self.BY_CALLBACK)

    def check_global(self, by):
        self.check(self.CHANGES_A_GLOBAL + by, "value", 1, 5, "dict_modified")

    def check_code(self, by):
        self.check(self.CHANGES_CODE + by, "callee()", 1, 5, "function_modified")


def frames_of(frame):
    codes = []
    while frame:
        codes.append(frame.f_code)
        frame = frame.f_back
    return codes


LINKED = """
def f(state):
    rounds = 0
    while not state:
        for i in range(7):
            rounds += i & 1
        for _ in (1, 2):
            rounds -= 1
    return rounds
"""


class Interruptions(Tier2Case):
    """Executors that lead to each other run for long; what asks for attention gets it."""

    def warm(self):
        f = make(LINKED)["f"]

        def stop_later(state):
            time.sleep(0.3)
            state.append(1)

        for _ in range(2):
            state = []
            thread = threading.Thread(target=stop_later, args=(state,))
            thread.start()
            f(state)
            thread.join()
        self.assertGreater(runs_of(f), 100, describe(f))
        return f

    def test_an_exception_from_another_thread(self):
        f = self.warm()

        class Stop(Exception):
            pass

        ended = []

        def work():
            try:
                f([])
            except Stop as error:
                frames = []
                traceback = error.__traceback__
                while traceback:
                    frames.append(traceback.tb_frame.f_code)
                    traceback = traceback.tb_next
                ended.append(frames[-1] is f.__code__)

        def interrupt():
            thread = threading.Thread(target=work)
            before = runs_of(f)
            thread.start()
            while runs_of(f) < before + 100:
                time.sleep(0.01)
            set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
            self.assertEqual(set_exception(ctypes.c_ulong(thread.ident), ctypes.py_object(Stop)), 1)
            thread.join(20)
            self.assertFalse(thread.is_alive())

        with self.running(f):
            _, counts = counted(interrupt)
        self.assertEqual(ended, [True])
        self.assertGreater(counts.share, 0.8)
        self.assertGreater(counts["exits.cold"], 0)

    def test_a_pending_call(self):
        f = self.warm()
        calls = []
        state = []

        @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
        def pending(_):
            # Pending calls are made in the main thread, which runs the loop.
            calls.append((threading.current_thread() is threading.main_thread(), f.__code__ in frames_of(sys._getframe(1))))
            if len(calls) == 5:
                state.append(1)
            return 0

        before = runs_of(f)

        def add():
            while runs_of(f) < before + 100:
                time.sleep(0.01)
            for _ in range(5):
                time.sleep(0.05)
                ctypes.pythonapi.Py_AddPendingCall(pending, None)

        thread = threading.Thread(target=add)
        thread.start()
        with self.running(f):
            _, counts = counted(f, state)
        thread.join()
        self.assertEqual(calls, [(True, True)] * 5)
        self.assertGreater(counts.share, 0.8)
        self.assertGreater(counts["exits.cold"], 0)


class ToolsWhileRecording(UsualThresholds):
    """A tool is switched on in the round that is recorded, whichever that is, and gets each event from then on."""

    SOURCE = """
def g(i):
    return i + 1
def f(n, at):
    total = 0
    for i in range(n):
        total += g(i)
        if i == at: on()
        total += g(i)
    return total
"""

    def in_each_round(self, on, off):
        """Calls of `g` that the tool sees if it is switched on in a round: one in this, two in all others that follow."""
        for name in ("back_edge_threshold", "entry_threshold"):
            hotspur.set_parameter(name, 5 if name == "back_edge_threshold" else 4000)
        started = runs = 0
        for at in range(16):
            seen = []
            names = make(self.SOURCE)
            names["on"] = lambda: on(names["g"].__code__, seen)
            expect = sum(2 * i + 2 for i in range(40))

            def work():
                try:
                    return names["f"](40, at)
                finally:
                    off()

            result, counts = counted(work)
            self.assertEqual(result, expect, at)
            self.assertEqual(len(seen), 1 + 2 * (39 - at), at)
            started += counts["traces.started"]
            runs += counts["runs"]
            # Afterwards it is recorded, or it was, and runs.
            names["on"] = lambda: None
            for _ in range(40):
                self.assertEqual(names["f"](40, at), expect, at)
            with self.running(names["f"]):
                self.assertEqual(names["f"](40, at), expect, at)
        # It was recorded, and run, before as well.
        self.assertGreater(started, 8)
        self.assertGreater(runs, 0)

    def test_a_trace_function(self):
        def on(code, seen):
            sys.settrace(lambda frame, event, _: seen.append(event) if frame.f_code is code else None)

        self.in_each_round(on, lambda: sys.settrace(None))

    def test_a_profile_function(self):
        def on(code, seen):
            sys.setprofile(lambda frame, event, _: seen.append(event) if frame.f_code is code and event == "call" else None)

        self.in_each_round(on, lambda: sys.setprofile(None))

    def test_monitoring(self):
        tool = 4
        monitoring = sys.monitoring

        def on(code, seen):
            monitoring.use_tool_id(tool, "test")
            monitoring.register_callback(
                tool, monitoring.events.PY_START, lambda c, _: seen.append(c) if c is code else None
            )
            monitoring.set_events(tool, monitoring.events.PY_START)

        def off():
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)

        self.in_each_round(on, off)


class Removed(UsualThresholds):
    """An executor goes while it runs."""

    # What is called in each round is called by C code, so the trace is the same whatever it does, and is active meanwhile.
    SOURCE = """
def f(n, hook):
    total = 0
    for i in range(n):
        total += i
        sorted((i,), key=hook)
        total += 1
    return total
"""

    def hot_loop(self):
        f = make(self.SOURCE)["f"]
        self.expect = N * (N - 1) // 2 + N
        for _ in range(6):
            self.assertEqual(f(N, abs), self.expect)
        with self.running(f):
            _, counts = counted(f, N, abs)
        # One for the loop, and what the caller itself is.
        self.assertLess(counts["runs"], 5)
        return f

    def removing(self, remove, at):
        f = self.hot_loop()
        before = [e.number for e in hotspur.executors(f)]
        self.assertGreater(len(before), 0)
        removed = []

        def hook(i):
            if i in at:
                removed.append(remove(f))
            return i

        result, counts = counted(f, N, hook)
        self.assertEqual(result, self.expect)
        self.assertEqual(len(removed), len(at))
        self.assertGreater(counts["runs"], 0)
        # The executor that was active has noticed, at the latest where the call has led: otherwise it would have gone round to the end.
        noticed = counts["exits.cold_by_reason.invalidated"] + counts["exits.cold_by_reason.dynamic_target"]
        self.assertGreater(noticed, 0)
        # They went, and were freed: nothing runs them any more.
        _hotspur.remove_executors(0)
        self.assertEqual([n for n in before if _hotspur.executor_is_valid(n)], [])
        self.assertEqual([e.number for e in hotspur.executors(f) if e.number in before], [])
        for _ in range(5):
            self.assertEqual(f(N, abs), self.expect)
        # Others take their place.
        with self.running(f):
            self.assertEqual(f(N, abs), self.expect)
        return counts

    def test_by_number(self):
        def remove(f):
            return [_hotspur.remove_executors(e.number) for e in hotspur.executors(f)]

        counts = self.removing(remove, (N // 2,))
        self.assertGreater(counts["executors.invalidated.requested"], 0)

    def test_again_and_again(self):
        self.removing(lambda f: _hotspur.remove_executors(), range(0, N, 100))

    def test_by_a_sweep(self):
        # What runs is not cold, though it was not entered since: a sweep leaves it alone.
        f = self.hot_loop()
        [before] = [e for e in hotspur.executors(f) if e.is_valid()]
        result, counts = counted(f, N, lambda i: [_hotspur.sweep_executors() for _ in range(3)] if i == N // 2 else [])
        self.assertEqual(result, self.expect)
        self.assertGreater(counts["runs"], 0)
        self.assertTrue(before.is_valid())
        with self.running(f):
            self.assertEqual(f(N, abs), self.expect)

    def test_another_one_takes_the_place(self):
        # The loop's executor is removed from within, and the loop recorded again while the first one is still active below.
        names = make("""
def f(n, at, inner):
    total = 0
    for i in range(n):
        total += i
        if i == at: inner()
        total += 1
    return total
""")
        f = names["f"]
        expect = N * (N - 1) // 2 + N
        for _ in range(6):
            self.assertEqual(f(N, -1, None), expect)
        [old] = [e.number for e in hotspur.executors(f) if e.is_valid() and "loop (" in e.text][:1]

        def inner():
            _hotspur.remove_executors()
            for _ in range(6):
                self.assertEqual(f(N, -1, None), expect)
            self.assertGreater(runs_of(f), 0)
            self.assertNotIn(old, [e.number for e in hotspur.executors(f) if e.is_valid()])

        for at in 0, 1, N // 2, N - 1:
            result, counts = counted(f, N, at, inner)
            self.assertEqual(result, expect)
            self.assertGreater(counts["runs"], 0)
            self.assertGreater(counts["executors.created"], 0)
        self.assertFalse(_hotspur.executor_is_valid(old))
