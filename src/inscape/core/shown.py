"""How an object shows itself: a title, a small table and notes, as plain text for a terminal and as
HTML for a notebook.

The HTML needs no script, no style sheet and no network; it takes the colours of the page it stands
in, so it reads in light and dark. Every text in it is escaped, and characters that a terminal would
obey are written out in both forms.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from inscape.core.characters import storable, visible

_CELL = "padding:.15em .8em .15em 0;border-bottom:1px solid rgba(128,128,128,.35);"
_NUMBER = "text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;"
_NAME = "text-align:left;white-space:nowrap;"
_TEXT = "text-align:left;overflow-wrap:anywhere;"


@dataclass(frozen=True)
class Shown:
    """What is shown of an object.

    Attributes:
        title: one line.
        heads: the columns' names; empty where there is no table.
        rows: cells as text.
        notes: sentences below.
        numbers: the columns that hold numbers, set to the right.

    Example:
        >>> print(Shown("Scores", ("site", "R²"), [("embed", "0.10"), ("resid_post.12", "0.41")], numbers=(1,)))
        Scores
        site             R²
        embed          0.10
        resid_post.12  0.41
    """

    title: str
    heads: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    notes: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()

    def __str__(self) -> str:
        table = [[visible(cell) for cell in row] for row in [self.heads, *self.rows] if row]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.heads))]
        lines = [visible(self.title)]
        for row in table:
            cells = [
                cell.rjust(width) if i in self.numbers else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        return "\n".join([*lines, *(visible(note) for note in self.notes)])

    def html(self) -> str:
        """The same as a piece of HTML."""
        parts = [f"<div><strong>{_escaped(self.title)}</strong>"]
        if self.heads:
            head = "".join(self._cell("th", i, h) for i, h in enumerate(self.heads))
            body = "".join(
                f"<tr>{''.join(self._cell('td', i, c) for i, c in enumerate(row))}</tr>"
                for row in self.rows
            )
            parts.append(
                '<div style="overflow-x:auto"><table style="border-collapse:collapse;margin:.4em '
                '0">'
                f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
            )
        parts += [
            f'<div style="opacity:.8;max-width:60em">{_escaped(note)}</div>' for note in self.notes
        ]
        return "".join([*parts, "</div>"])

    def _cell(self, tag: str, column: int, text: str) -> str:
        style = _CELL + (_NUMBER if column in self.numbers else _TEXT if column else _NAME)
        scope = ' scope="col"' if tag == "th" else ""
        return f'<{tag}{scope} style="{style}">{_escaped(text)}</{tag}>'


def short(x: float | None) -> str:
    """A number in two or three digits.

    Example:
        >>> short(0.41234), short(1532.4), short(0.0002), short(float("nan"))
        ('0.41', '1.53e+03', '0.0002', 'n/a')
    """
    if x is None or not math.isfinite(x):
        return "n/a"
    return f"{x:z.2f}" if 0.005 <= abs(x) < 100 or x == 0 else f"{x:.3g}"


def some(count: int, most: int) -> list[int]:
    """Indices of at most so many of a number of rows: the first, the last, and others spread
    evenly.

    Example:
        >>> some(3, 5), some(9, 5)
        ([0, 1, 2], [0, 2, 4, 6, 8])
    """
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _escaped(text: str) -> str:
    return html.escape(storable(visible(str(text))))
