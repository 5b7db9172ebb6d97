"""``python -m inscape`` for machines where the command is not on the path."""

from __future__ import annotations

import subprocess
import sys


def test_the_package_runs_as_the_command():
    out = subprocess.run(
        [sys.executable, "-m", "inscape", "list", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"slug": "space-time-neurons"' in out.stdout
