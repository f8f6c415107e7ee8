"""`python -m hotspur` and the installed `hotspur` command."""

import sys


def main():
    """Runs the command line of this process as one of Hotspur's."""
    try:
        from hotspur._hotspur import run
    except ImportError as error:
        sys.exit(f"hotspur: the engine cannot be loaded: {error}")
    try:
        # Does not return if the command line is for running a program.
        verb = run(__file__.rpartition("/")[0], sys.argv[1:])
    except OSError as error:
        sys.exit(f"hotspur: cannot start Python: {error}")
    from hotspur._autoload import main

    main(verb)


if __name__ == "__main__":
    main()
