from typing import TypedDict

__all__ = ["disable", "enable", "info", "is_enabled"]
__version__: str

class _Info(TypedDict):
    version: str
    enabled: bool
    reason: str | None
    python: str
    tiers: list[str]
    stress: bool
    layout: str | None
    counters: dict[str, int]

def enable() -> bool: ...
def disable() -> None: ...
def is_enabled() -> bool: ...
def info() -> _Info: ...
