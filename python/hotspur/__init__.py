"""Hotspur: a tracing JIT compiler that loads into a stock CPython.

enable() makes all Python code that starts from now on run in Hotspur, disable() ends that. Where Hotspur cannot run,
enable() says so on standard error, and everything goes on as before.

executors() and stats() show what tier 2 has made and done; parameters() and set_parameter() are for tuning it.
"""

# This module is imported at every start of a program under Hotspur: it needs nothing but what is there anyway.
import sys as _sys

__all__ = ["disable", "enable", "executors", "info", "is_enabled", "parameters", "set_parameter", "stats"]
__version__ = "0.1.0"

# Nothing of the engine is touched by any other version of Python than the one that it was built for.
if _sys.implementation.name != "cpython" or _sys.version_info[:2] != (3, 13):
    _why = "this build is for CPython 3.13, and this is %s %d.%d" % (
        _sys.implementation.name,
        _sys.version_info[0],
        _sys.version_info[1],
    )
else:
    try:
        from hotspur._hotspur import disable, enable, info, is_enabled

        _why = None
    except ImportError as _error:
        # A sub-interpreter, a free-threaded build, a broken installation.
        _why = "the engine cannot be loaded (%s)" % " ".join(str(_error).split())
        del _error

if _why is not None:

    def enable():
        """Warns that Hotspur cannot run here, and returns False."""
        from os import environ

        if environ.get("HOTSPUR") != "0":
            print("hotspur: %s; running on stock CPython" % _why, file=_sys.stderr)
        return False

    def disable():
        """Does nothing: Hotspur cannot run here."""

    def is_enabled():
        """Returns False: Hotspur cannot run here."""
        return False

    def info():
        """Returns what there is to know about Hotspur in this process, as a dict."""
        return {
            "version": __version__,
            "enabled": False,
            "reason": _why,
            "python": "%d.%d.%d" % _sys.version_info[:3],
            "tiers": [],
            "stress": False,
            "layout": None,
            "counters": {},
        }

    def executors(func=None):
        """Returns an empty list: Hotspur cannot run here."""
        return []

    def stats():
        """Returns an empty dict: Hotspur cannot run here."""
        return {}

    def parameters():
        """Returns an empty dict: Hotspur cannot run here."""
        return {}

    def set_parameter(name, value):
        """Does nothing: Hotspur cannot run here."""

else:
    # What shows things is loaded when it is asked for.

    def executors(func=None):
        """The executors of the process, or those that begin in a function (or code object), as a list."""
        from hotspur._inspection import executors

        return executors(func)

    def stats():
        """What Hotspur did so far, as a dict of dicts of numbers."""
        from hotspur._inspection import stats

        return stats()

    def parameters():
        """The parameters of tier 2 and their values, as a dict."""
        from hotspur._inspection import parameters

        return parameters()

    def set_parameter(name, value):
        """Sets a parameter of tier 2. What was counted or compiled before is not touched."""
        from hotspur._inspection import set_parameter

        set_parameter(name, value)
