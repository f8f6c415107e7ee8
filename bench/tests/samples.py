"""Results made by hand, for tests."""

from harness import figures


def run(samples, curve=(), begin=0.0, peak=10_000_000):
    return {"begin": begin, "curve": [list(point) for point in curve], "samples": list(samples), "peak": peak}


def steady_run(seconds, calls=100, begin=0.05, peak=10_000_000):
    """A program without warm-up: calls of one loop each, one after the other."""
    curve = [[begin + (index + 1) * seconds, 1, seconds] for index in range(calls)]
    return run([seconds * factor for factor in (0.999, 1.0, 1.001)], curve, begin, peak)


def result(**benchmarks):
    """A result with two configurations, `jit` and the peer `other`, from name → configuration → seconds per loop."""
    return {
        "python": "3.13.9 (main)", "short": "3.13.9", "binary": "0123456789ab", "processor": "Some Processor @ 3 GHz",
        "cpu": 1, "date": "2000-01-01", "commit": "abc", "base": "stock",
        "settings": {"rounds": 3, "warmup": 1.0, "sample": 0.1, "samples": 3, "longest": 1.0, "clock": "wall",
                     "threshold": figures.LOSS},
        "configurations": {
            "stock": {"env": {"HOTSPUR": "0"}, "command": [], "description": "CPython 3.13.9", "peer": False,
                      "hotspur": False},
            "jit": {"env": {"HOTSPUR": "1"}, "command": [], "description": "CPython 3.13.9", "peer": False,
                    "hotspur": True},
            "other": {"env": {}, "command": ["other"], "description": "Other 1.0", "peer": True, "hotspur": False},
        },
        "benchmarks": {
            name: {"program": name, "suite": "pyperformance", "runs": {
                configuration: [steady_run(seconds) for _ in range(3)] for configuration, seconds in sides.items()}}
            for name, sides in benchmarks.items()
        },
        "processes": {}, "scaling": {}, "startup": {}, "failures": {}, "left_out": {},
        "wall": 10.0, "busy": 9.0,
    }
