"""A progress bar with a rate and an estimate of what remains; where there is no terminal, a line a
minute on the log.

Drawn on standard error, so that what a program reads from standard output stays clean. The lines
are those of `inscape.core.minute_log`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from inscape.core.characters import visible
from inscape.core.minute_log import MinuteLog


class Advance:
    """What the loop being watched holds: ``advance(n)`` after each piece of work, ``done`` so
    far.
    """

    def __init__(
        self, bar: Progress | None = None, task: int = 0, lines: MinuteLog | None = None
    ) -> None:
        self._bar = bar
        self._task = task
        self._lines = lines
        self.done: int | float = 0

    def advance(self, n: int | float = 1) -> None:
        """`n` more units are done."""
        self.reach(self.done + n)

    def reach(self, done: int | float, total: int | float | None = None, *_: object) -> None:
        """So many units are done in all; for functions that call with what is done, and how many
        there are.
        """
        self.done = done
        if self._bar is not None:
            more = {} if total is None else {"total": total}
            self._bar.update(self._task, completed=done, **more)  # type: ignore[arg-type]
        if self._lines is not None:
            self._lines.tell(done, total)


class _Count(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        of = "" if task.total is None else f"/{task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{of} {self.unit}")


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(
            ""
            if not speed
            else f"{speed:,.3g} {self.unit}/s"
            if speed < 100
            else f"{speed:,.0f} {self.unit}/s"
        )


@contextmanager
def progress(
    description: str, total: int | float | None = None, unit: str = "steps"
) -> Iterator[Advance]:
    """Watch a loop.

    Args:
        description: what is being done, a few words.
        total: how many units there are; None where it is not known.
        unit: what is counted, plural (``"rows"``, ``"fits"``).

    Example:
        >>> with progress("fitting", total=3, unit="fits") as bar:
        ...     for _ in range(3):
        ...         bar.advance()
        >>> bar.done
        3
    """
    if not sys.stderr.isatty():
        yield Advance(lines=MinuteLog(description, unit, total))
        return
    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        _Count(unit),
        _Rate(unit),
    ]
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
    with bar:
        yield Advance(bar, bar.add_task(visible(description), total=total))
