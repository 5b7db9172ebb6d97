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


def test_ctrl_c_while_the_command_line_is_imported_is_one_sentence():
    code = (
        "import sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'inscape.cli.main':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "from inscape.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "inscape: Interrupted.\n")
