"""How the command line prints: JSON for programs, aligned columns and wrapped paragraphs for people."""

from __future__ import annotations

import json
import math
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

import typer


def emit(value: Any) -> None:
    """Print a value as strict JSON (NaN and infinity become null)."""
    typer.echo(
        json.dumps(_strict(value), ensure_ascii=False, indent=2, allow_nan=False, default=str)
    )


def columns(rows: Sequence[Sequence[object]], indent: int = 2) -> None:
    """Print rows with aligned columns; the last column wraps under itself at the terminal's width."""
    if not rows:
        return
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]) - 1)]
    start = indent + sum(widths) + 2 * len(widths)
    room = max(width() - start, 24)
    for row in cells:
        head = " " * indent + "".join(f"{c:<{w}}  " for c, w in zip(row[:-1], widths, strict=True))
        lines = textwrap.wrap(row[-1], room, break_long_words=False, break_on_hyphens=False) or [""]
        typer.echo((head + lines[0]).rstrip())
        for line in lines[1:]:
            typer.echo(" " * start + line)


def paragraph(text: str, indent: int = 0) -> None:
    """Print text wrapped at the terminal's width."""
    pad = " " * indent
    typer.echo(
        textwrap.fill(" ".join(text.split()), width(), initial_indent=pad, subsequent_indent=pad)
    )


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
