"""How far a harvest is: rows, tokens a second and the time left, on a terminal; elsewhere a line a
minute on the log.

The time left is counted in padded tokens, which is what a harvest costs, not in rows: rows of long
examples take longer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inscape.core.characters import visible
from inscape.core.minute_log import MinuteLog

#: called with (rows done, rows in all, padded tokens done, padded tokens in all)
Watcher = Callable[[int, int, int, int], None]


class Meter:
    """A context manager with `advance`; draws a bar, calls a watcher, or does nothing.

    Args:
        name: what is being harvested.
        rows: rows in all.
        tokens: padded tokens in all.
        show: None draws on a terminal and logs elsewhere, True always draws, False does neither; a
            callable is told instead.
    """

    def __init__(self, name: str, rows: int, tokens: int, show: bool | Watcher | None):
        self.rows, self.tokens, self.total = 0, 0, (rows, tokens)
        self._watch = show if callable(show) else None
        drawn = sys.stderr.isatty() if show is None else show is True
        self._bar: Progress | None = None
        self._log = MinuteLog(name, "rows", rows) if show is None and not drawn else None
        if drawn:
            self._bar = Progress(
                # a name is no template and no markup, and a terminal does not obey it
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("rows · {task.fields[speed]} tokens/s ·"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._shown = self._bar.add_task(visible(name), total=rows, speed="–")
            self._cost = self._bar.add_task("tokens", total=tokens, visible=False, speed="")

    def advance(self, rows: int, tokens: int) -> None:
        """Note that so many rows, of so many padded tokens, are computed."""
        self.rows, self.tokens = self.rows + rows, self.tokens + tokens
        if self._watch is not None:
            self._watch(self.rows, self.total[0], self.tokens, self.total[1])
        if self._log is not None:
            self._log.tell(self.rows)
        if self._bar is not None:
            self._bar.advance(self._cost, tokens)
            speed = self._bar.tasks[1].speed or 0.0
            self._bar.update(self._shown, completed=self.rows, speed=f"{speed:,.0f}")

    def __enter__(self) -> Meter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
