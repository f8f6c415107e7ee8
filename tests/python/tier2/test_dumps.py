"""The log, dumps of traces, and what gdb and perf are told: `--log`, `--dump`, `HOTSPUR_GDB`, `HOTSPUR_PERF_MAP`."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import hotspur
from support import COMPILES, ENABLE, needs_machine_code, run_program
from test_trials import NORMAL
from test_trials import PROGRAM as TRIALS

# Places get hot at times that are known, whatever the environment of the tests says.
HOT = {
    "background": 0,
    "back_edge_threshold": 50,
    "entry_threshold": 60,
    "exit_threshold": 20,
    "passage_threshold": 8,
    "backoff": 2,
    "passes": "all",
}

PROGRAM = '''
lines = """
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def doubled(self):
        return self.x * 2 + self.y


def total(points):
    s = 0
    for point in points:
        s += point.doubled()
    return s


def sign(numbers):
    n = 0
    for number in numbers:
        if number % 8 == 5:
            n -= 1
        else:
            n += 1
    return n
"""
open(SOURCE, "w").write(lines)
exec(compile(lines, SOURCE, "exec"))
points = [Point(i, 1) for i in range(100)]
for _ in range(4):
    assert total(points) == 10000
    assert sign(range(800)) == 600
    # Without a loop in Python.
    assert sum(map(Point.doubled, points)) == 10000
'''

DOCUMENT = pathlib.Path(__file__).resolve().parents[3] / "docs" / "dumps.md"
# The events that the document explains.
WORDS = set(re.findall(r"(?m)^\| `([a-z ]+)` \|", DOCUMENT.read_text().partition("## The log")[2].partition("\n## ")[0]))

LINE = re.compile(r"hotspur (\d+\.\d{6}) (#\d+|given up|sweep|trial)(.*)")


class Case(unittest.TestCase):
    """Runs programs that leave a log or dumps in files."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.source = os.path.join(self.folder, "program.py")

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def run_it(self, text=PROGRAM, **parameters):
        """The program's output; `SOURCE` is a file for its source."""
        return run_program(self, f"SOURCE = {self.source!r}\n" + text, **{**HOT, **parameters})

    def log(self, text=PROGRAM, **parameters):
        """The events of the log, by name: what follows in each line, with the number of the trace."""
        self.printed = self.run_it(text, log=self.path("log"), **parameters)
        events = {}
        last = 0.0
        for line in self.read("log").splitlines():
            match = LINE.fullmatch(line)
            self.assertTrue(match, line)
            self.assertGreaterEqual(float(match[1]), last)
            last = float(match[1])
            if match[2].startswith("#"):
                name, _, rest = match[3].strip().partition(":")
                events.setdefault(name, []).append((match[2], rest.strip()))
            else:
                events.setdefault(match[2], []).append(("", match[3].lstrip(": ")))
        self.assertLessEqual(set(events), WORDS)
        return events

    def dumps(self, what, text=PROGRAM, **parameters):
        """The dumps, by headline."""
        self.run_it(text, dump=what, dump_to=self.path("dumps"), **parameters)
        parts = re.split(r"^; ==== (.*) ====\n", self.read("dumps"), flags=re.MULTILINE)
        self.assertEqual(parts[0], "")
        return dict(zip(parts[1::2], parts[2::2]))


class Log(Case):
    def test_a_trace_from_start_to_end(self):
        events = self.log()
        [(number, rest)] = [(n, rest) for n, rest in events["started"] if " total @ " in rest]
        self.assertEqual(rest, f"back edge to {self.source}:13 total @ 5")
        recorded = dict(events["recorded"])
        self.assertRegex(recorded[number], r"^\d+ micro-ops, \d+ optimized, \d+ exits, closes its loop$")
        self.assertEqual(dict(events["attached"])[number], f"{self.source}:13 total @ 5")
        # It goes with the program's code.
        self.assertRegex(dict(events["invalidated"])[number], rf"^\w+, after \d+ runs, {re.escape(self.source)}:13 total @ 5: ")
        if COMPILES:
            self.assertRegex(dict(events["compiled"])[number], r"^\d+ bytes in \d+ us$")
        else:
            self.assertNotIn("compiled", events)
        entries = [rest for _, rest in events["started"] if rest.startswith("entry of ")]
        self.assertIn(f"entry of {self.source}:7 Point.doubled @ 0", entries)

    def test_a_side_exit(self):
        events = self.log()
        [(loop, _)] = [(n, rest) for n, rest in events["started"] if rest.startswith("back edge") and " sign @ " in rest]
        grown = [(n, rest) for n, rest in events["started"] if f" of {loop} (other_branch)" in rest]
        self.assertTrue(grown, events["started"])
        number, rest = grown[0]
        self.assertRegex(rest, r"^exit \d+ of #\d+ \(other_branch\)(, with its values)? at .*program\.py:2\d sign @ \d+$")
        exit = re.match(r"exit (\d+)", rest)[1]
        self.assertIn((number, f"exit {exit} of {loop} leads here"), events["linked"])
        self.assertRegex(dict(events["recorded"])[number], rf"links to {loop} at .* sign @ \d+$")

    def test_aborts_and_giving_up(self):
        events = self.log(trace_length=16, attempts=1)
        aborted = [rest for _, rest in events["aborted"]]
        self.assertTrue(any(re.match(rf"too_long at {re.escape(self.source)}:\d+ [\w.]+ @ \d+: ", a) for a in aborted), aborted)
        self.assertIn(("", f"{self.source}:13 total @ 5"), events["given up"])

    def test_what_a_trace_relies_on_changes(self):
        events = self.log(PROGRAM + "Point.doubled = lambda self: 1\nassert total(points) == 100\n")
        self.assertTrue(
            any(rest.startswith("function_modified, after ") and " total @ 5: " in rest for _, rest in events["invalidated"])
        )

    def test_sweep(self):
        more = "hotspur._hotspur.sweep_executors()\n" * 2
        events = self.log(PROGRAM + more)
        self.assertTrue(any(rest.startswith("cold, after ") and " total @ 5: " in rest for _, rest in events["swept"]))
        self.assertRegex(events["sweep"][0][1], r"^0 of \d+ executors removed$")
        self.assertRegex(events["sweep"][1][1], r"^[1-9]\d* of \d+ executors removed$")

    def test_retired(self):
        text = "tiny = lambda value: value\nfor _ in range(2000):\n    max(range(60), key=tiny)\n"
        events = self.log(text, losing_interval=500)
        self.assertTrue(any(rest.startswith("losing, after ") for _, rest in events["retired"]))

    @needs_machine_code
    def test_trials(self):
        text = TRIALS + """
must(wins, lambda: state()[0] >= 2)
must(loses, lambda: state()[2])
print(*state()[:2])
"""
        events = self.log(text, **NORMAL)
        pattern = r"with executors (\d+\.\d\d) times as fast in (\d+) pairs of slices; they (run|rest)"
        trials = [re.fullmatch(pattern, rest) for _, rest in events["trial"]]
        self.assertTrue(all(trials), events["trial"])
        won = [float(trial[1]) for trial in trials if trial[3] == "run"]
        lost = [float(trial[1]) for trial in trials if trial[3] == "rest"]
        self.assertEqual(self.printed.split(), [str(len(won)), str(len(lost))])
        self.assertGreater(won[0], 1.0)
        self.assertLess(lost[0], 1.0)
        self.assertTrue(all(int(trial[2]) >= 2 for trial in trials))

    @needs_machine_code
    def test_a_passage_to_tier_1(self):
        events = self.log(way_out_threshold=2, exit_threshold=4095)
        self.assertTrue(events["stays cold"])
        for _, rest in events["stays cold"]:
            self.assertRegex(rest, r"^exit \d+ leads to tier 1 by a passage$")

    def test_standard_error_and_files(self):
        package = os.path.dirname(os.path.dirname(hotspur.__file__))
        text = f"SOURCE = {self.source!r}\n" + PROGRAM
        command = [sys.executable, "-c", ENABLE + text, package, hotspur._hotspur.__spec__.origin]
        variables = {f"HOTSPUR_{name.upper()}": str(value) for name, value in HOT.items()}

        def stderr(**more):
            env = {**os.environ, **variables, **{f"HOTSPUR_{name.upper()}": value for name, value in more.items()}}
            done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            return done.stderr

        self.assertTrue(all(LINE.fullmatch(line) for line in stderr(log="1").splitlines()))
        self.assertIn("; ==== #1 opt of ", stderr(dump="opt"))
        self.assertEqual(stderr(log=self.path("log-%p")), "")
        self.assertTrue(any(re.fullmatch(r"log-\d+", name) for name in os.listdir(self.folder)))
        # What cannot be shown is said, and the program runs.
        self.assertIn("No such file", stderr(log=self.path("no/such/folder")))
        self.assertIn('there is no "x"', stderr(dump="x"))


class Dumps(Case):
    def test_superblocks_parse_back(self):
        dumps = self.dumps("ir,opt")
        numbers = {name.split()[0] for name in dumps}
        self.assertGreater(len(numbers), 3)
        self.assertEqual(len(dumps), 2 * len(numbers))
        for name, text in dumps.items():
            self.assertRegex(name, r"^#\d+ (ir|opt) of [\w.]+ @ \d+$")
            printed = hotspur._hotspur.parse_superblock(text)
            # Comments apart, nothing is lost.
            plain = "".join(line + "\n" for line in text.splitlines() if not line.lstrip().startswith(";"))
            self.assertEqual(printed, plain)
            self.assertGreater(len(text.splitlines()), len(plain.splitlines()))
        with self.assertRaises(ValueError):
            hotspur._hotspur.parse_superblock(text.replace("superblock", "superbloc", 1))

    def test_comments(self):
        dumps = self.dumps("ir,opt", dump_function="total")
        [recorded] = [text for name, text in dumps.items() if " ir of total @ 5" in name]
        [optimized] = [text for name, text in dumps.items() if " opt of total @ 5" in name]
        self.assertIn(f"; code0 = total, {self.source}\n", recorded)
        self.assertRegex(recorded, r"; code1 = Point\.doubled, ")
        self.assertRegex(recorded, r"; obj\d+ = function Point\.doubled\n")
        self.assertRegex(recorded, r"; obj\d+ = int 2\n")
        self.assertRegex(recorded, r"    ; Point\.doubled @ 13 BINARY_OP, line 8: return self\.x \* 2 \+ self\.y\n    guard_type ")
        self.assertNotEqual(recorded, optimized)
        self.assertIn("\n    v", optimized)

    def test_selection(self):
        names = self.dumps("opt", dump_function="Poi*.d?ubled,nothing")
        self.assertTrue(names)
        self.assertTrue(all(" of Point.doubled @ " in name for name in names), list(names))
        os.unlink(self.path("dumps"))
        self.assertEqual(list(self.dumps("ir,opt,bytecode,clif,asm,exits", dump_function="nothing")), [])

    def test_bytecode(self):
        dumps = self.dumps("bytecode")
        text = dumps[f"bytecode of total, {self.source}"]
        self.assertRegex(text, r"(?m)^ +12 +1  LOAD_CONST +\d+$")
        self.assertRegex(text, r"(?m)^ +\d+  JUMP_BACKWARD_COUNTED +\d+$")
        self.assertIn(f"bytecode of Point.doubled, {self.source}", dumps)

    @needs_machine_code
    def test_cranelift_and_assembly(self):
        dumps = self.dumps("clif,asm")
        [clif] = [text for name, text in dumps.items() if re.fullmatch(r"#\d+ clif of total @ 5", name)]
        [asm] = [text for name, text in dumps.items() if re.fullmatch(r"#\d+ asm of total @ 5", name)]
        self.assertIn("function u0:0(i64) tail {", clif)
        self.assertRegex(clif, r"(?m)^@[0-9a-f]+ .*brif ")
        # Ops and lines of Python, in front of instructions.
        self.assertRegex(asm, r"; total @ 5 FOR_ITER, line 13: for point in points:\n")
        self.assertRegex(asm, r"    ; v\d+ = list_iter_next v\d+ \[snap\d+\]\n        [0-9a-f]{4}  mov +")
        self.assertRegex(asm, r"    ; exit \d+: overflow\n        [0-9a-f]{4}  mov ")
        self.assertIn("    ; shared by exits\n", asm)
        self.assertRegex(asm, r"[0-9a-f]{4}  call +dealloc_published\n")
        self.assertRegex(asm, r"[0-9a-f]{4}  word +obj\d+ \(class int\)\n")
        self.assertNotIn("(bad)", asm)
        # Jumps lead to instructions.
        starts = set(re.findall(r"(?m)^        ([0-9a-f]{4})  ", asm))
        targets = set(re.findall(r"(?m)  j\w+ +([0-9a-f]{4})$", asm))
        self.assertTrue(targets)
        self.assertLessEqual(targets, starts)
        passages = [text for name, text in dumps.items() if " asm of the passage from exit " in name]
        self.assertTrue(passages)
        self.assertTrue(all(re.search(r"\n        [0-9a-f]{4}  jmp ", text) for text in passages))

    def test_exits(self):
        dumps = self.dumps("exits", dump_function="sign")
        rows = [line.split() for text in dumps.values() for line in text.splitlines() if re.match(r"; +\d", line)]
        self.assertTrue(all(len(row) in (10, 11) for row in rows), rows)
        branches = [row for row in rows if row[2] == "other_branch"]
        self.assertTrue(any(int(row[7]) > 20 for row in branches), branches)
        self.assertTrue(any(row[-1].startswith("#") for row in branches), branches)
        self.assertTrue(all(row[4].isdigit() and 18 < int(row[4]) < 26 for row in branches))

    def test_nothing_without_being_asked(self):
        self.assertEqual(self.run_it(), "")
        self.assertEqual(os.listdir(self.folder), ["program.py"])


GDB = """
import ctypes

class Entry(ctypes.Structure):
    pass

Entry._fields_ = [("next", ctypes.POINTER(Entry)), ("previous", ctypes.POINTER(Entry)),
                  ("file", ctypes.c_void_p), ("size", ctypes.c_uint64)]

class Descriptor(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("action", ctypes.c_uint32),
                ("relevant", ctypes.POINTER(Entry)), ("first", ctypes.POINTER(Entry))]

def names():
    engine = ctypes.CDLL(hotspur._hotspur.__spec__.origin)
    entry = Descriptor.in_dll(engine, "__jit_debug_descriptor").first
    while entry:
        file = ctypes.string_at(entry.contents.file, entry.contents.size)
        assert file[:4] == b"\\x7fELF"
        start = file.index(b"hotspur:")
        yield file[start:file.index(b"\\0", start)].decode()
        entry = entry.contents.next
"""


class Debuggers(Case):
    @needs_machine_code
    def test_gdb(self):
        show = "found = list(names())\nhotspur._hotspur.remove_executors()\nprint(*found, '-', *names(), sep='\\n')\n"
        text = PROGRAM + GDB + show
        before, after = self.run_it(text, gdb=1).split("\n-\n")
        self.assertRegex(before, r"(?m)^hotspur:total:11#\d+$")
        self.assertRegex(before, r"(?m)^hotspur:passage:#\d+\.\d+->#\d+$")
        stubs = {"hotspur:stub:cold_exit", "hotspur:stub:landing_exit"}
        self.assertLessEqual(stubs, set(before.split()))
        # Stubs stay.
        self.assertLessEqual(stubs, set(after.split()))
        self.assertFalse([name for name in after.split() if not name.startswith("hotspur:stub:")])
        # Nobody asked.
        self.assertEqual(self.run_it(text).split(), ["-"])

    @needs_machine_code
    def test_perf(self):
        show = "print(open(f'/tmp/perf-{__import__(\"os\").getpid()}.map').read())\n"
        printed = self.run_it(PROGRAM + show, perf_map=1).splitlines()
        names = [line.split(" ", 2)[2] for line in printed if line]
        for name in (r"hotspur:total:11#\d+", r"hotspur:passage:#\d+\.\d+->#\d+", r"hotspur:stub:cold_exit"):
            self.assertTrue(any(re.fullmatch(name, n) for n in names), (name, names))


if __name__ == "__main__":
    unittest.main()
