"""How the command line prints: JSON for programs, aligned columns and wrapped paragraphs for
people.

Everything that a command prints goes through `say`, and log records through `Lines`: texts from
data, models and files may hold characters that a terminal obeys (colours, titles, the clipboard,
the direction of writing), and these are written out as escapes. JSON keeps its value: the same
characters become JSON's own escapes.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import typer

from inscape.core.characters import visible, visible_json


def emit(value: Any) -> None:
    """Print a value as strict JSON (NaN and infinity become null)."""
    text = json.dumps(_strict(value), ensure_ascii=False, indent=2, allow_nan=False, default=str)
    typer.echo(visible_json(text))


def say(text: object = "", *, bold: object = "", err: bool = False) -> None:
    """Print a text, with what a terminal would obey written out.

    Args:
        text: what to print.
        bold: a text before it, printed bold where the terminal can and NO_COLOR is not set.
        err: whether to print on standard error.
    """
    head = visible(str(bold))
    if head and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        head = typer.style(head, bold=True)
    typer.echo(head + visible(str(text)), err=err)


class Lines(logging.Formatter):
    """Log records as lines, with what a terminal would obey written out."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return visible(super().format(record))


class StandardError(logging.StreamHandler[Any]):
    """Writes to whatever standard error is at that moment, so that lines appear above a running
    progress bar.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(Lines("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        self.stream = sys.stderr
        super().emit(record)


def columns(rows: Sequence[Sequence[object]], indent: int = 2) -> None:
    """Print rows with aligned columns; the last column wraps under itself at the terminal's
    width.
    """
    if not rows:
        return
    cells = [[visible(str(c)) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]) - 1)]
    start = indent + sum(widths) + 2 * len(widths)
    room = max(width() - start, 24)
    for row in cells:
        head = " " * indent + "".join(f"{c:<{w}}  " for c, w in zip(row[:-1], widths, strict=True))
        lines = textwrap.wrap(row[-1], room, break_long_words=False, break_on_hyphens=False) or [""]
        say((head + lines[0]).rstrip())
        for line in lines[1:]:
            say(" " * start + line)


def paragraph(text: str, indent: int = 0) -> None:
    """Print text wrapped at the terminal's width."""
    pad = " " * indent
    text = " ".join(visible(text).split())
    say(textwrap.fill(text, width(), initial_indent=pad, subsequent_indent=pad))


def table(title: str, heads: tuple[str, str], rows: Sequence[tuple[str, str]]) -> None:
    """Print names in bold, each beside a text that wraps under itself, under a title."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        box=box.SIMPLE_HEAD,
        title=Text(visible(title)),
        title_justify="left",
        show_lines=False,
        padding=(0, 1),
    )
    shown.add_column(Text(visible(heads[0])), style="bold", no_wrap=True)
    shown.add_column(Text(visible(heads[1])), overflow="fold")
    for name, text in rows:
        shown.add_row(Text(visible(name)), Text(visible(text)))
    Console(width=width()).print(shown)


def warned(message: Warning | str, category: type[Warning], *where: object, **more: object) -> str:
    """A warning of Python's as one line; the replacement of `warnings.formatwarning`."""
    return f"{category.__name__}: {visible(str(message))}\n"


def width() -> int:
    """Columns to print in: the terminal's, between 60 and 110."""
    return min(max(shutil.get_terminal_size((100, 24)).columns, 60), 110)


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(v) for v in value]
    if hasattr(value, "tolist"):
        return _strict(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
