"""The benchmark harness: `python3 bench COMMAND`, described in README.md."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Also when started as `python3 -m bench` from the repository's folder.
sys.path[:1] = [str(HERE), str(HERE.parent / "tools")]

from harness.cli import main  # noqa: E402

if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
