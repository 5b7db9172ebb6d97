"""``python -m inscape`` is the command ``inscape``."""

from inscape.cli.main import main

if __name__ == "__main__":
    main()
