"""Machine code that is made in the background, and what may happen meanwhile. With the interpreter as engine there is nothing to
make, and executors must be there at once."""

import os
import signal
import threading
import time
import unittest
import warnings

import hotspur
from support import compiled, counted, describe, needs_machine_code, run_program

# With low thresholds, what calls a function may be recorded together with it, so it need not get an executor of its own.
LOW = "HOTSPUR_BACK_EDGE_THRESHOLD" in os.environ
pause = hotspur._hotspur.pause_compiler


def new_loop(name="loop"):
    """A function that was never called, with a loop."""
    namespace = {}
    exec(f"def {name}(n):\n total = 0\n for i in range(n):\n  total += i * 3\n return total\n", namespace)
    return namespace[name]


def result_of(n):
    return 3 * n * (n - 1) // 2


def pending():
    return hotspur.stats()["executors"]["pending"]


class Background(unittest.TestCase):
    def setUp(self):
        compiled()
        self.parameters = hotspur.parameters()
        hotspur.set_parameter("background", 1)
        hotspur.set_parameter("back_edge_threshold", 50)

    def tearDown(self):
        pause(False)
        compiled()
        for name, value in self.parameters.items():
            hotspur.set_parameter(name, value)


class Waiting(Background):
    @needs_machine_code
    def test_tier_1_goes_on_and_does_not_record_again(self):
        pause(True)
        f = new_loop()
        before = hotspur.stats()
        self.assertEqual(f(20000), result_of(20000))
        # Whatever else got hot meanwhile waits as well; this loop waits once.
        waiting = [e for e in hotspur.executors(f)]
        self.assertEqual([e.code_size for e in waiting], [0], describe(f))
        self.assertEqual(waiting[0].runs, 0)
        self.assertGreater(pending(), 0)
        pause(False)
        compiled()
        self.assertEqual(pending(), 0)
        self.assertEqual(f(20000), result_of(20000))
        [executor] = [e for e in hotspur.executors(f) if e.number == waiting[0].number]
        self.assertGreater(executor.code_size, 0)
        self.assertGreater(executor.runs, 0)
        after = hotspur.stats()
        for name in "compile_seconds", "compile_gil_seconds", "install_delay_seconds", "micro_ops_compiled":
            self.assertGreater(after[name], before[name], name)

    @needs_machine_code
    def test_a_loop_that_goes_on_gets_its_executor(self):
        def go():
            pause(False)
            wait_for_the_end_of_the_thread()

        namespace = {"go": go}
        exec("def f(n):\n t = 0\n for i in range(n):\n  t ^= i\n  if i == 1000:\n   go()\n return t", namespace)
        f = namespace["f"]
        pause(True)
        # One call: if the loop did not look for its executor, that would never be run.
        self.assertEqual(f(200_000), 0)
        if LOW:
            return
        self.assertGreater(sum(e.runs for e in hotspur.executors(f)), 0, describe(f))

    @needs_machine_code
    def test_invalid_while_it_is_compiled(self):
        pause(True)
        f = new_loop()
        # Long enough for a recording to be given up that waits for its caller to go on.
        f(20_000)
        [executor] = hotspur.executors(f)
        hotspur._hotspur.remove_executors(executor.number)
        self.assertFalse(executor.is_valid())
        pause(False)
        compiled()
        hotspur._hotspur.remove_executors(0)  # frees what is to be freed
        self.assertEqual([e for e in hotspur.executors(f) if e.number == executor.number], [])
        # The place may be recorded again, later.
        for _ in range(200):
            self.assertEqual(f(1000), result_of(1000))
            compiled()
        self.assertGreater(sum(e.runs for e in hotspur.executors(f)), 0, describe(f))

    @needs_machine_code
    def test_function_that_dies_while_its_loop_is_compiled(self):
        pause(True)
        for i in range(20):
            f = new_loop(f"short_lived_{i}")
            self.assertEqual(f(300), result_of(300))
            del f
        self.assertGreaterEqual(pending(), 20)
        pause(False)
        compiled()
        self.assertEqual(pending(), 0)

    @needs_machine_code
    def test_side_exit_waits_as_well(self):
        if LOW:
            # The loop may be a part of its caller's trace then.
            return
        hotspur.set_parameter("exit_threshold", 10)
        namespace = {}
        exec("def f(n):\n t = 0\n for i in range(n):\n  if i % 4 == 3:\n   t += 1\n  else:\n   t += 2\n return t", namespace)
        f = namespace["f"]
        f(200)
        compiled()
        pause(True)
        f(2000)
        waiting = [e.number for e in hotspur.executors(f) if not e.code_size]
        f(20000)
        self.assertEqual([e.number for e in hotspur.executors(f) if not e.code_size], waiting)
        pause(False)
        compiled()
        result, counts = counted(f, 20000)
        self.assertEqual(result, 35000)
        self.assertGreater(counts["exits.hot"], 1000)

    @needs_machine_code
    def test_threads(self):
        functions = [new_loop(f"in_thread_{i}") for i in range(8)]
        wrong = []

        def run(f):
            for _ in range(50):
                if f(500) != result_of(500):
                    wrong.append(f)

        threads = [threading.Thread(target=run, args=(f,)) for f in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    @needs_machine_code
    def test_no_thread_is_left(self):
        f = new_loop()
        f(1000)
        compiled()
        # (What has been seen last: with low thresholds, looking once more may start another one.)
        self.assertEqual(wait_for_the_end_of_the_thread(), 0)


def other_threads():
    """How many threads of the process are not Python's."""
    return len(os.listdir("/proc/self/task")) - threading.active_count()


def wait_for_the_end_of_the_thread():
    """Answers how many threads there were when it stopped waiting."""
    deadline = time.monotonic() + 60
    while (left := other_threads()) > 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


class AtOnce(Background):
    def test_nothing_is_pending(self):
        hotspur.set_parameter("background", 0)
        compiled()
        f = new_loop()
        f(1000)
        self.assertEqual(pending(), 0)
        if not LOW:
            self.assertGreater(sum(e.runs for e in hotspur.executors(f)), 0, describe(f))


class Fork(Background):
    def in_child(self, function):
        """Calls the function in a forked child, and gives back whether it answered True there."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pid = os.fork()
        if pid == 0:
            status = 1
            try:
                signal.alarm(60)
                status = 0 if function() is True else 2
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_executors_work_in_the_child(self):
        f = new_loop()
        for _ in range(3):
            f(1000)
        compiled()
        [before] = [e for e in hotspur.executors(f)][:1]

        def child():
            good = f(5000) == result_of(5000)
            return good and hotspur.executors(f)[0].runs > before.runs

        self.assertEqual(self.in_child(child), 0)

    @needs_machine_code
    def test_pending_work_is_dropped_in_the_child_and_done_in_the_parent(self):
        if LOW:
            # The loop may be a part of its caller's trace then.
            return
        pause(True)
        f = new_loop()
        f(1000)
        [executor] = hotspur.executors(f)

        def child():
            f(1000)
            lost = not executor.is_valid() and hotspur.stats()["executors"]["invalidated"].get("forked", 0) > 0
            pause(False)
            for _ in range(100):
                f(1000)
                compiled()
            return lost and sum(e.runs for e in hotspur.executors(f)) > 0

        self.assertEqual(self.in_child(child), 0)
        self.assertTrue(executor.is_valid())
        pause(False)
        compiled()
        f(1000)
        self.assertGreater(sum(e.runs for e in hotspur.executors(f)), 0)

    def test_new_functions_in_children_while_the_compiler_is_busy(self):
        for i in range(10):
            for k in range(10):
                new_loop(f"busy_{i}_{k}")(200)

            def child(i=i):
                f = new_loop(f"child_{i}")
                for _ in range(20):
                    if f(1000) != result_of(1000):
                        return False
                    compiled()
                return sum(e.runs for e in hotspur.executors(f)) > 0

            self.assertEqual(self.in_child(child), 0)


class Shutdown(unittest.TestCase):
    def run_program(self, text):
        return run_program(self, text, background=1, back_edge_threshold=2, entry_threshold=2)

    def test_end_while_the_compiler_is_busy(self):
        text = """
for k in range(100):
    namespace = {}
    exec(f"def f(n):\\n t = {k}\\n for i in range(n): t += i\\n return t", namespace)
    for _ in range(10): namespace["f"](50)
print(hotspur.stats()["executors"]["created"] > 0)
"""
        for _ in range(5):
            self.assertEqual(self.run_program(text), "True\n")

    def test_end_with_work_undone(self):
        text = """
hotspur._hotspur.pause_compiler(True)
class Late:
    def __del__(self, range=range):
        t = 0
        for i in range(1000): t += i
import builtins, sys
builtins.late = sys.late = Late()
def f(n):
    t = 0
    for i in range(n): t += i
    return t
f(1000)
print(f(1000))
"""
        self.assertEqual(self.run_program(text), "499500\n")

    def test_daemon_threads(self):
        text = """
import threading, time
def work():
    while True:
        namespace = {}
        exec("def f(n):\\n t = 0\\n for i in range(n): t += i\\n return t", namespace)
        for _ in range(20): namespace["f"](50)
for _ in range(4): threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
print("end")
"""
        for _ in range(3):
            self.assertEqual(self.run_program(text), "end\n")


if __name__ == "__main__":
    unittest.main()
