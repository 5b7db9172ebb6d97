"""``inscape``, and ``python -m inscape``: the command line, which Ctrl-C ends in a sentence even
while it is being imported."""

import sys


def main() -> None:
    """The console script."""
    try:
        from inscape.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("inscape: Interrupted.\n")
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
