"""Says on standard error what is running, how much is done and how long the rest will take."""

from __future__ import annotations

import sys
import time
from typing import TextIO


def duration(seconds: float) -> str:
    """35 s, 4:05 min, 1:20 h."""
    whole = max(0, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"


class Progress:
    """Counts steps. On a terminal one line is written over and over; in a log, a line now and then.

    `total` is in whatever unit `step` is given, so that long steps can weigh more.
    """

    def __init__(self, total: float, stream: TextIO | None = None, every: float = 15.0, clock=time.monotonic):
        self.total, self.every, self.clock = total, every, clock
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.done = 0.0
        self.started = self.last = clock()
        self.width = 0

    def left(self) -> float | None:
        """Seconds that the rest will take if it goes on like this; None as long as nothing is done."""
        if not self.done:
            return None
        return (self.clock() - self.started) * (self.total - self.done) / self.done

    def line(self, text: str) -> str:
        left = self.left()
        about = "" if left is None else f", about {duration(left)} left"
        share = 100 * self.done / self.total if self.total else 100
        return f"[{share:3.0f}%, {duration(self.clock() - self.started)}{about}] {text}"

    def running(self, text: str) -> None:
        """Says what is running now."""
        if self.terminal:
            line = self.line(text)[:118]
            self.stream.write("\r" + line.ljust(self.width))
            self.stream.flush()
            self.width = len(line)
        elif self.clock() - self.last >= self.every:
            self.say(text)

    def step(self, weight: float = 1.0) -> None:
        self.done += weight

    def say(self, text: str) -> None:
        """A line that stays."""
        if self.terminal:
            self.stream.write("\r" + " " * self.width + "\r")
            self.width = 0
        self.stream.write(self.line(text) + "\n")
        self.stream.flush()
        self.last = self.clock()

    def end(self) -> None:
        """Takes the line away that was written over."""
        if self.terminal and self.width:
            self.stream.write("\r" + " " * self.width + "\r")
            self.stream.flush()
            self.width = 0
