import io
import unittest

import tests  # noqa: F401  (puts tools/ on the path)
from progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Durations(unittest.TestCase):
    def test_units(self):
        self.assertEqual([duration(s) for s in (0, 99, 100, 3599, 3660)], ["0 s", "99 s", "1:40 min", "59:59 min", "1:01 h"])


class Lines(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()

    def test_estimate(self):
        progress = Progress(4, io.StringIO(), clock=self.clock)
        self.assertIsNone(progress.left())
        self.clock.now += 10
        progress.step()
        self.assertEqual(progress.left(), 30)
        self.assertEqual(progress.line("x"), "[ 25%, 10 s, about 30 s left] x")

    def test_a_log_gets_a_line_now_and_then(self):
        stream = io.StringIO()
        progress = Progress(4, stream, every=15, clock=self.clock)
        progress.running("one")
        self.assertEqual(stream.getvalue(), "")
        self.clock.now += 20
        progress.running("two")
        progress.running("three")
        self.assertEqual(stream.getvalue(), "[  0%, 20 s] two\n")

    def test_a_terminal_gets_one_line_written_over(self):
        stream = Terminal()
        progress = Progress(4, stream, clock=self.clock)
        progress.running("a long text")
        progress.running("b")
        progress.end()
        self.assertNotIn("\n", stream.getvalue())
        # What was there is covered, and nothing remains at the end.
        self.assertEqual(stream.getvalue().split("\r")[2].rstrip(), "[  0%, 0 s] b")
        self.assertEqual(stream.getvalue().split("\r")[3].strip(), "")


if __name__ == "__main__":
    unittest.main()
