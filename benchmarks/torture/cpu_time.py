"""Whether a process hangs, judged by its processor time: on a busy machine the clock runs on while
it cannot.

A process hangs if it has computed for longer than its limit; if it computed nothing for as long as
its limit, while it was not ready to run either (it waits for something that does not come); or if
ten times its limit went by.

Cost: one reading of the process table of the system, each time that it is asked.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
#: how many times the limit goes by on the clock, whatever is computed, before a process is given up
PATIENCE = 10


def used(session: int) -> tuple[float, bool]:
    """Seconds that the processes of a session have computed, and whether one of them computes or is
    ready to.

    Args:
        session: the process that leads it; its children that ended count too.
    """
    seconds, ready = 0.0, False
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) != session:
            continue
        # user and system time of the process and of its children that were waited for
        seconds += sum(map(int, fields[11:15])) / _TICKS
        ready = ready or fields[0] in "RD"
    return seconds, ready


class Hang:
    """Watches a process that leads its session, from now on.

    Args:
        session: the process.
        limit: seconds of processor time that it may take.
    """

    def __init__(self, session: int, limit: float) -> None:
        self._session, self._limit = session, limit
        self._begun = self._moved = time.monotonic()
        self._before = self._last = used(session)[0]

    def over(self) -> bool:
        """Whether it hangs."""
        now, (seconds, ready) = time.monotonic(), used(self._session)
        if ready or seconds > self._last:
            self._moved, self._last = now, seconds
        return (
            seconds - self._before > self._limit
            or now - self._moved > self._limit
            or now - self._begun > PATIENCE * self._limit
        )
