"""What makes a program of this folder a script: `python closures.py [SIZE]` does the work once and checks the result."""

import sys


def main(work, expected, size):
    if len(sys.argv) > 1:
        size = int(sys.argv[1])
    result, correct = work(size), expected(size)
    if result != correct:
        raise SystemExit(f"wrong result: {result!r} instead of {correct!r}")
    print(result)
