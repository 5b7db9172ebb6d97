"""The most memory that this process held at once.

``ru_maxrss`` is the last resort: on Linux, a process begins with the peak of the process that
started it. `benchmarks.peers.rounds` has the same lines: its environments cannot import these.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak() -> int:
    """The most bytes that were resident since this program began."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10
