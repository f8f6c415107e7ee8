"""Result → the documentation: the pictures, and the part of `docs/results.md` that is measured.

That part stands between two comments. Everything else in the file is written by hand and stays.
"""

from __future__ import annotations

import pathlib
import re

from . import plots, report

BEGIN = "<!-- measured: python3 bench ... --publish docs -->"
END = "<!-- measured: end -->"
PICTURES = "pictures"
# What the names of pictures begin with; those of configurations follow. README.md shows `benchmarks-hotspur-speed.svg`.
STEM = "benchmarks"


def section(text: str) -> str:
    """A report as a section of a longer document: without its title, and headings a level lower."""
    title, _, rest = text.partition("\n")
    if not title.startswith("# "):
        raise ValueError(f"a report begins with a title, and not with {title!r}")
    return re.sub(r"(?m)^##", "###", rest).strip()


def replaced(document: str, text: str) -> str:
    """The document with this text as its measured part."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no place for results: {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def publish(result: dict, docs: pathlib.Path, cache: pathlib.Path) -> None:
    """Writes the measured part of DOCS/results.md, and DOCS/pictures/benchmarks-*.svg."""
    path = docs / "results.md"
    document = path.read_text()
    # Before anything is overwritten.
    replaced(document, "")
    folder = docs / PICTURES
    folder.mkdir(exist_ok=True)
    for old in folder.glob(f"{STEM}-*.svg"):
        old.unlink()
    drawn = plots.draw(result, folder, STEM, cache)
    names = drawn if isinstance(drawn, str) else [f"{PICTURES}/{name}" for name in drawn]
    path.write_text(replaced(document, section(report.markdown(result, names))))
