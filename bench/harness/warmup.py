"""What the curve of a program's early calls says.

A run is what run_one.py notes about one benchmark in one process, its points in time counted from the start of the
process: `begin`, and `curve` with [end, loops, seconds] of every call. Work is counted in loops. Of several benchmarks
in one process the second begins late; its times are moved as if it had been the only one (`rebase`).

    speed 90 %       when calls first run at 90 % of the steady speed (the median of five calls, so that one lucky call
                     decides nothing)
    second second    the speed between 1 s and 2 s after the start, relative to the steady speed
    fixed work       the time from the start of the process until the work is done that the base does in one second,
                     start-up and imports included
    break-even       from which point on a process is ahead of one on the base: how long the base runs until then
"""

from __future__ import annotations

import bisect
import statistics

# The amount of fixed work: what the base does in so many seconds, or less if it was not run for so long.
WORK_SECONDS = 1.0
WINDOW = 5


def rebase(lines: list[dict], started: float) -> list[dict]:
    """Counts the points in time of the benchmarks of one process from its start."""
    first = lines[0]["begin"] if lines else 0.0
    moved = []
    for line in lines:
        offset = started + line["begin"] - first
        moved.append(line | {
            "begin": round(line["begin"] - offset, 6),
            "curve": [[round(end - offset, 6), loops, seconds] for end, loops, seconds in line["curve"]],
        })
    return moved


def steady(run: dict) -> float:
    """Loops per second when warm."""
    return 1 / statistics.median(run["samples"])


def time_to_speed(run: dict, share: float = 0.9) -> float | None:
    """Seconds from the start of the process until calls run at this share of the steady speed; None: never seen."""
    wanted = share * steady(run)
    speeds = [loops / max(seconds, 1e-9) for _, loops, seconds in run["curve"]]
    for index, (end, _, seconds) in enumerate(run["curve"]):
        if statistics.median(speeds[index : index + WINDOW]) >= wanted:
            return max(run["begin"], end - seconds)
    return None


def speed_between(run: dict, start: float, stop: float) -> float | None:
    """Speed in this span of time relative to the steady speed; None if calls cover less than half of the span."""
    work = covered = 0.0
    for end, loops, seconds in run["curve"]:
        overlap = min(end, stop) - max(end - seconds, start)
        if overlap > 0:
            covered += overlap
            work += loops * overlap / max(seconds, 1e-9)
    return work / covered / steady(run) if covered >= (stop - start) / 2 else None


def progress(run: dict) -> tuple[list[float], list[float]]:
    """Points (work done, time), both rising."""
    work, times = [0.0], [run["begin"]]
    for end, loops, _ in run["curve"]:
        work.append(work[-1] + loops)
        times.append(max(end, times[-1]))
    return work, times


def time_of_work(run: dict, wanted: float) -> float:
    """Seconds from the start of the process until so much work is done; beyond the curve at the steady speed."""
    work, times = progress(run)
    if wanted >= work[-1]:
        return times[-1] + (wanted - work[-1]) / steady(run)
    index = bisect.bisect_right(work, wanted)
    share = (wanted - work[index - 1]) / (work[index] - work[index - 1])
    return times[index - 1] + share * (times[index] - times[index - 1])


def work_in(run: dict, seconds: float) -> float:
    """The work done after so many seconds from the start of the process: one call at least, all calls at most."""
    work, times = progress(run)
    index = min(max(1, bisect.bisect_left(times, seconds)), len(work) - 1)
    return work[index]


def fixed_work(base: list[dict], other: list[dict]) -> list[tuple[float, float]]:
    """Per round, the seconds that the fixed work takes on the base and on the other side."""
    if not base or not other:
        return []
    amount = statistics.median_low([work_in(run, WORK_SECONDS) for run in base])
    return [(time_of_work(a, amount), time_of_work(b, amount)) for a, b in zip(base, other)]


def break_even(base: dict, other: dict) -> float | None:
    """How long the base runs until the other has caught up for good; None if it had not by the end of the base's run.

    The other side's start-up is usually longer, and compiling costs time before it pays.
    """
    work, times = progress(base)
    behind = None
    for index, amount in enumerate(work):
        if index and time_of_work(other, amount) > times[index]:
            behind = index
    if behind is None:
        return times[0]
    return times[behind + 1] if behind + 1 < len(times) else None
