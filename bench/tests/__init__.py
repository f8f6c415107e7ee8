"""Unit tests of the harness: `python3 -m unittest discover -s bench -t bench`. No network, a few seconds."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tools"))
