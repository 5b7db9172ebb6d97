"""How long a person waits for nothing: `import inscape`, and `inscape --help`, each as a process of its own.

Both figures hold the start of the interpreter, which is why its own time is told beside them. Rounds are interleaved and
figures are medians. Targets are upper bounds in seconds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WAYS = {
    "nothing": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import inscape"],
    "help": [str(Path(sys.executable).with_name("inscape")), "--help"],
}


def run(rounds: int = 9) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(rounds + 1):
        for name, command in WAYS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if number:  # the first round fills the disk's cache
                seconds[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    note = (
        f"median of {rounds} processes; the interpreter alone takes {middle['nothing']:.2f} s of it"
    )
    return [
        _row("import inscape", middle["import"], 0.5, note),
        _row("inscape --help", middle["help"], 0.7, note),
    ]


def _row(name: str, ours: float, target: float, note: str) -> dict[str, Any]:
    return {
        "name": name,
        "ours": ours,
        "theirs": None,
        "ratio": None,
        "target": target,
        "unit": "s",
        "note": note,
    }
