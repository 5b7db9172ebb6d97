"""How far a long step is, as a line a minute on the log, for where no terminal shows a bar.

The lines go to the logger ``inscape.progress`` at level INFO: the command line shows them, and a
program may.
"""

from __future__ import annotations

import logging
import time

logger = logging.getLogger("inscape.progress")

#: seconds between two lines
EVERY = 60.0


class MinuteLog:
    """What is done, the rate, and about how long the rest will take.

    Args:
        what: what is being done, a few words.
        unit: what is counted, plural.
        total: how many there are; None where that is not known.
    """

    def __init__(self, what: str, unit: str, total: int | float | None) -> None:
        self.what, self.unit, self.total = what, unit, total
        self.began = self.told = time.monotonic()

    def tell(self, done: int | float, total: int | float | None = None) -> None:
        """Write a line if the last one, or the start, is a minute ago.

        Args:
            done: units done in all.
            total: how many there are, where that was not known at first.
        """
        self.total = self.total if total is None else total
        now = time.monotonic()
        if now - self.told < EVERY:
            return
        self.told, rate = now, done / (now - self.began)
        of = "" if self.total is None else f" of {self.total:,.0f}"
        left = ""
        if self.total is not None and rate > 0:
            minutes = max(0.0, self.total - done) / rate / 60
            left = f", about {minutes:,.0f} min left" if minutes >= 1 else ", under a minute left"
        line = f"{self.what}: {done:,.0f}{of} {self.unit}, {rate:.3g} a second{left}"
        logger.info("%s", line)
