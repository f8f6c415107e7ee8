"""Trials: whether the program is faster with executors than without, and what follows."""

import unittest

from support import needs_machine_code, run_program

PROGRAM = """
import time

def loses(rounds):
    # Traces have tier 1 execute nearly all of it.
    z = 1j
    s, t = {1, 2}, {2, 3}
    for _ in range(rounds):
        z = z * 1j
        z = -z
        s & t
        s ^ t
        z = +z
        z = -z
    return z

def wins(rounds):
    x = 0.0
    for i in range(rounds):
        x = x * 0.5 + i
    return x

def state():
    trials = hotspur.stats()["trials"]
    return trials["won"], trials["lost"], trials["resting"]

def run(function, until, seconds=20.0):
    # Until there is nothing to wait for any more, or too long.
    expected = function(1000)
    end = time.process_time() + seconds
    while not until() and time.process_time() < end:
        for _ in range(20):
            assert function(1000) == expected
    return until()

def must(function, until):
    # However busy the machine is. If it never comes, what there was instead says why.
    if not run(function, until, 60.0):
        executors = [(e.runs, e.exits, e.text) for e in hotspur.executors(function)]
        raise SystemExit(f"{function.__name__}: {executors} {hotspur.stats()}")
"""

NORMAL = {
    "background": 1, "back_edge_threshold": 1000, "entry_threshold": 2000, "exit_threshold": 1000, "heat_time": 200, "trial_slice": 10,
    "execute_cost": 0, "publish_cost": 0, "sample": 1, "backoff": 9, "passes": "all",
}


class Trials(unittest.TestCase):
    def outcome(self, text, **parameters):
        return eval(run_program(self, PROGRAM + text, **NORMAL | parameters))

    @needs_machine_code
    def test_a_program_that_gains_goes_on(self):
        won, lost, resting = self.outcome("must(wins, lambda: state()[0] >= 2); print(state())")
        self.assertGreaterEqual(won, 2)
        self.assertEqual((lost, resting), (0, 0))

    @needs_machine_code
    def test_what_enters_executors_by_calls_counts(self):
        """A function's executor counts the RESUME that enters it, as tier 1 does: here there is nothing else to be counted."""
        text = """
def called(x):
    return (((x * 0.5 + 1.0) * 0.25 - 2.0) * x + 3.0) * x - x / 3.0 + x * x - (x - 1.0) * (x + 1.0)

numbers = [float(i) for i in range(1000)]

def calls(rounds):
    return sum(map(called, numbers))

must(calls, lambda: state()[0] >= 2)
print(state())
"""
        won, lost, resting = self.outcome(text)
        self.assertGreaterEqual(won, 2)
        self.assertEqual((lost, resting), (0, 0))

    @needs_machine_code
    def test_a_program_that_loses_rests(self):
        """While executors rest, next to nothing is executed by them."""
        text = """
must(loses, lambda: state()[2])
before = hotspur.stats()["bytecodes"]["tier2"]
calls, end = 0, time.process_time() + 1.0
while time.process_time() < end:
    loses(1000)
    calls += 1
print(state()[1:], calls, hotspur.stats()["bytecodes"]["tier2"] - before)
"""
        output = run_program(self, PROGRAM + text, **NORMAL)
        state, calls, executed = output.rsplit(None, 2)
        self.assertEqual(state, "(1, 1)")
        # A round is more than 20 instructions.
        self.assertLess(int(executed), int(calls) * 1000 * 20 * 0.3)

    @needs_machine_code
    def test_rest_ends_when_the_program_does_something_else(self):
        won, lost, resting = self.outcome("""
must(loses, lambda: state()[2])
must(wins, lambda: not state()[2])
print(state())
""")
        self.assertGreaterEqual(won, 1)
        self.assertEqual((lost, resting), (1, 0))

    @needs_machine_code
    def test_switched_off(self):
        """No trials, and whoever rests goes on."""
        self.assertEqual(self.outcome("run(loses, lambda: state()[0], 2.0); print(state())", trial_slice=0), (0, 0, 0))
        text = """
must(loses, lambda: state()[2])
hotspur.set_parameter("trial_slice", 0)
must(loses, lambda: not state()[2])
print(state())
"""
        self.assertEqual(self.outcome(text), (0, 1, 0))

    @needs_machine_code
    def test_instructions_are_counted_during_a_trial(self):
        """Executors go on, and the trial is over: tier 1 does not count ticks meanwhile."""
        text = """
must(loses, lambda: state()[2])
hotspur.set_parameter("count_instructions", 1)
assert not state()[2]
before = hotspur.stats()["bytecodes"]["tier2"]
end = time.process_time() + 1.0
while time.process_time() < end:
    wins(1000)
print((state()[:2], hotspur.stats()["bytecodes"]["tier2"] - before > 10**6))
"""
        self.assertEqual(self.outcome(text), ((0, 1), True))

    @needs_machine_code
    def test_tools_while_executors_rest(self):
        """Executors do not run while a tool is active, nor afterwards as long as they rest."""
        text = """
import sys
must(loses, lambda: state()[2])
for _ in range(30):
    sys.setprofile(lambda *_: None)
    loses(100)
    sys.setprofile(None)
    loses(100)
print(state()[1])
"""
        self.assertEqual(self.outcome(text), 1)

    @needs_machine_code
    def test_threads(self):
        """What all threads do counts, and all of them stop entering executors."""
        text = """
import threading
done = []
def work():
    must(loses, lambda: state()[2])
    done.append(1)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(done, state()[1])
"""
        output = run_program(self, PROGRAM + text, **NORMAL)
        self.assertEqual(output.split("]")[0], "[1, 1, 1, 1")

    @needs_machine_code
    def test_a_forked_process_begins_anew(self):
        text = """
import os
must(loses, lambda: state()[2])
pid = os.fork()
if pid == 0:
    ok = run(wins, lambda: state()[0] and not state()[2])
    os._exit(0 if ok else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), state()[1:])
"""
        self.assertEqual(run_program(self, PROGRAM + text, **NORMAL).split(), ["0", "(1,", "1)"])

    def test_no_trials_at_first_sight(self):
        """Whoever wants everything to be compiled wants it to run, and the tier 2 interpreter is slower anyway."""
        text = "run(loses, lambda: state() != (0, 0, 0), 2.0); print(state())"
        self.assertEqual(self.outcome(text, back_edge_threshold=50), (0, 0, 0))


if __name__ == "__main__":
    unittest.main()
