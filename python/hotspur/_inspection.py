"""Looking into tier 2: what `hotspur.executors`, `hotspur.stats` and `hotspur.parameters` show."""

import sys

from hotspur import _hotspur


class Exit:
    """A way out of an executor.

    reason: why it is taken. pc: the position, in code units, of the instruction that goes on. temperature: how many more exits
    make it hot. hits: how often it was taken. target: the number of the executor that it leads to, or None for tier 1.
    passage: whether machine code leads on from there, to the target or to tier 1, without asking the host.
    """

    __slots__ = ("hits", "passage", "pc", "reason", "target", "temperature")

    def __init__(self, row):
        self.reason = row["reason"]
        self.pc = row["pc"]
        self.temperature = row["remaining"]
        self.hits = row["hits"]
        self.passage = row["passage"]
        self.target = row["target"]

    def __repr__(self):
        target = "tier 1" if self.target is None else f"executor {self.target}"
        return f"<exit to {target} at {self.pc}: {self.reason}, taken {self.hits} times>"


class Executor:
    """A trace that was recorded, as it was when it was asked for: a sequence of its micro-ops, a line of text each.

    number: no other executor of the process ever has it. text: its superblock. recorded: the same before it was
    optimized. ops: its micro-ops, as a list.
    exits: its exits, by number. pc: the position where it begins. runs: how often it was run. code_size: bytes of machine code;
    exit_size: bytes of it that are the exits'.
    """

    __slots__ = ("code_size", "exit_size", "exits", "number", "ops", "pc", "recorded", "runs", "text")

    def __init__(self, row):
        self.number = row["id"]
        self.text = row["text"]
        self.ops = [line.strip() for line in self.text.splitlines() if line.startswith("    ") and "@" not in line]
        self.recorded = row["recorded"]
        self.exits = [Exit(exit) for exit in row["exits"]]
        self.pc = row["position"]
        self.runs = row["runs"]
        self.code_size = row["code_bytes"]
        self.exit_size = row["exit_bytes"]

    def __len__(self):
        return len(self.ops)

    def __iter__(self):
        return iter(self.ops)

    def __getitem__(self, index):
        return self.ops[index]

    def is_valid(self):
        """Whether it exists still and may be entered."""
        return _hotspur.executor_is_valid(self.number)

    def __repr__(self):
        return f"<executor {self.number} from {self.pc}: {len(self.ops)} micro-ops, {len(self.exits)} exits>"


def executors(func=None):
    """The executors of the process, or those that begin in a function (or code object), as a list."""
    rows = _hotspur.executors()
    if func is not None:
        code = getattr(func, "__code__", func)
        rows = [row for row in rows if row["code"] == id(code)]
    return [Executor(row) for row in rows]


def stats():
    """What Hotspur did so far, as a dict of dicts of numbers.

    `executors.invalidated` says how many went out of use, by reason; those that went because they were cold are `swept`, too.
    `trials` says how often it was tried whether the program is faster with executors than without, what came of it, and whether executors
    rest now, having lost.
    `passages` counts pieces of machine code that were made to lead on from exits.
    `frames_shown` is how often machine code has shown its frames to other code, such as a finalizer, which is slow.

    `bytecodes` counts CPython's instructions by the tier that executed them; in tier 1 only those that were executed while the
    parameter `count_instructions` was on, which is slow. `share` is the share of each tier in what was executed while it was on, and
    None if it never was.

    `micro_ops` is how many micro-ops of executors, as the optimizer has left them, were executed, on whichever engine.

    `compile_seconds` is the time that machine code took to make, in whatever thread, `micro_ops_compiled` how much that was;
    `compile_gil_seconds` is the time for which the program was held up by it. `install_delay_seconds` adds up how long executors whose
    code was made in the background were waited for.
    """
    return arranged(read())


def read():
    """All counters of this moment. It calls no Python code, which would count, too, and may itself run in tier 2."""
    return _hotspur.tier2_stats(), _hotspur.info()["counters"], _hotspur.instructions_executed()


def arranged(reading):
    """The counters that were read, as `stats` gives them."""
    flat, counters, instructions = reading

    def by_reason(name):
        return {key[len(name) + 1 :]: n for key, n in flat.items() if key.startswith(name + ".")}

    return {
        "traces": {
            "started": flat["traces_started"],
            "finished": flat["traces_finished"],
            "aborted": by_reason("traces_aborted"),
            "places_given_up": flat["places_given_up"],
        },
        "executors": {
            "alive": flat["executors_alive"],
            "pending": flat["executors_pending"],
            "created": flat["executors_created"],
            "swept": by_reason("executors_invalidated").get("cold", 0),
            "invalidated": by_reason("executors_invalidated"),
        },
        "trials": {"won": flat["trials_won"], "lost": flat["trials_lost"], "resting": flat["resting"]},
        "passages": flat["passages"],
        "frames_shown": flat["frames_shown"],
        "micro_ops": flat["micro_ops"],
        "entries": flat["entries"],
        "runs": flat["runs"],
        "exits": {
            "cold": flat["exits_cold"],
            "hot": flat["exits_linked"],
            "cold_by_reason": by_reason("exits_cold"),
            "hot_by_reason": by_reason("exits_linked"),
        },
        "bytecodes": {"tier1": counters["instructions"], "tier2": flat["instructions"]},
        "share": share(flat["counted_tier1"], flat["counted_tier2"]),
        "instructions": instructions,
        "optimize_seconds": flat["optimize_nanoseconds"] / 1e9,
        "compile_seconds": flat["compile_nanoseconds"] / 1e9,
        "compile_gil_seconds": flat["compile_gil_nanoseconds"] / 1e9,
        "install_delay_seconds": flat["install_delay_nanoseconds"] / 1e9,
        "micro_ops_compiled": flat["micro_ops_compiled"],
        "code_bytes": flat["code_bytes"],
    }


def share(tier1, tier2):
    total = tier1 + tier2
    return {"tier1": tier1 / total, "tier2": tier2 / total} if total else None


def parameters():
    """The parameters of tier 2 and their values, as a dict."""
    return _hotspur.parameters()


def set_parameter(name, value):
    """Sets a parameter of tier 2: a number, but for `passes` a text, `all`, `none`, or passes of the optimizer such as `-peel`. What was counted or compiled before is not touched."""
    _hotspur.parameters(**{name: value})


def table(numbers):
    """The numbers of `stats` as lines of text."""
    lines = []

    def add(name, value, indent):
        if isinstance(value, dict):
            if value:
                lines.append("  " * indent + name)
                for key, inner in value.items():
                    add(key, inner, indent + 1)
        elif value is None:
            lines.append(f"{name}: not counted; HOTSPUR_COUNT_INSTRUCTIONS=1 has it counted, which is slow")
        elif value:
            text = f"{value:.6f}" if isinstance(value, float) else f"{value:,}"
            lines.append(f"{'  ' * indent}{name:<{40 - 2 * indent}} {text:>16}")

    for name, value in numbers.items():
        add(name, value, 0)
    return "\n".join(lines)


def print_at_exit(form):
    """Has the statistics printed to standard error when the program ends, as a `table` or as `json`."""
    import atexit

    def show():
        if form == "json":
            import json

            print(json.dumps(stats()), file=sys.stderr)
        else:
            print("hotspur:\n" + table(stats()), file=sys.stderr)

    atexit.register(show)
