"""A grid of cells coloured by a number: lens tables, patch maps, attention patterns, ablations.

Colour says how much, blue for more and orange for less than nothing; the number or word in the cell
says it too, so the grid reads without colour. Rows keep their name in sight while the grid scrolls.
A hover text can say more of each cell, and the same texts open as a list below, which the keyboard
reaches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from inscape.core.characters import visible
from inscape.views.colours import shade
from inscape.views.page import escaped

_STYLE = "border-collapse:separate;border-spacing:1px;font-size:13px;font-variant-numeric:tabular-nums;line-height:1.35"
_HEAD = "text-align:left;font-weight:600;padding:2px 6px;white-space:nowrap;"
_STUCK = "position:sticky;left:0;background:Canvas;z-index:1;"
_CELL = "padding:2px 6px;white-space:nowrap;max-width:11em;overflow:hidden;text-overflow:ellipsis;"
#: cells at most whose hover texts stand in a list as well
_LISTED = 1500


@dataclass(frozen=True, eq=False)
class Grid:
    """Cells with a name for each row and column.

    Attributes:
        title: what is shown.
        rows: names of the rows.
        columns: names of the columns.
        values: what colours the cells, (rows, columns); NaN for a cell that has none.
        text: what stands in them; their values in two digits where there is none.
        hover: what more is said of each cell.
        corner: what rows and columns are: ``"layer \\ token"``.
        key: what the colour means.

    Example:
        >>> print(Grid("Effect", ("0", "1"), ("a", "b"), np.array([[0.5, -1.0], [0.0, 0.25]]), corner="layer"))
        Effect
        layer     a      b
        0      0.50  -1.00
        1      0.00   0.25
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Float[np.ndarray, "r c"]
    text: Sequence[Sequence[str]] | None = None
    hover: Sequence[Sequence[str]] | None = None
    corner: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.rows), len(self.columns)):
            raise ValueError(
                f"Grid: values must be {(len(self.rows), len(self.columns))}, rows × columns, got "
                f"{self.values.shape}"
            )

    def cell(self, row: int, column: int) -> str:
        """What stands in a cell."""
        if self.text is not None:
            return self.text[row][column]
        value = self.values[row, column]
        return f"{value:z.2f}" if math.isfinite(value) else ""

    def strength(self, row: int, column: int) -> float:
        """How strongly a cell is coloured, −1 … 1: its value by the largest of all."""
        most = float(np.nanmax(np.abs(self.values), initial=0.0))
        value = float(self.values[row, column])
        return value / most if most > 0 and math.isfinite(value) else 0.0

    def __str__(self) -> str:
        return "\n".join(self.lines(10**9))

    def lines(self, width: int) -> list[str]:
        """The grid as text, its columns in several parts where they are wider than so many
        characters.
        """
        right = self.text is None
        cells = [
            [visible(self.cell(r, c)).strip("\n") for c in range(len(self.columns))]
            for r in range(len(self.rows))
        ]
        names = [visible(name) for name in self.rows]
        corner = visible(self.corner)
        first = max([len(corner), *map(len, names)], default=0)
        wide = [
            max([len(visible(head)), *(len(row[c]) for row in cells)])
            for c, head in enumerate(self.columns)
        ]
        out, start = [visible(self.title)], 0
        while start < len(self.columns):
            stop, room = start, width - first
            while stop < len(self.columns) and (stop == start or room >= wide[stop] + 2):
                room -= wide[stop] + 2
                stop += 1
            part = range(start, stop)
            for name, row in zip(
                [corner, *names], [[visible(h) for h in self.columns], *cells], strict=True
            ):
                shown = [row[c].rjust(wide[c]) if right else row[c].ljust(wide[c]) for c in part]
                out.append("  ".join([name.ljust(first), *shown]).rstrip())
            start = stop
            out += [""] if start < len(self.columns) else []
        return out

    def html(self) -> str:
        """The grid as a piece of HTML."""
        side = "text-align:right;" if self.text is None else ""
        heads = "".join(
            f'<th scope="col" style="{_HEAD}{side}">{escaped(c)}</th>' for c in self.columns
        )
        body = "".join(
            f'<tr><th scope="row" style="{_HEAD}{_STUCK}">{escaped(name)}</th>'
            f"{''.join(self._cell(r, c) for c in range(len(self.columns)))}</tr>"
            for r, name in enumerate(self.rows)
        )
        key = f'<p style="font-size:13px;opacity:.8">{escaped(self.key)}</p>' if self.key else ""
        return (
            f'<section><h2>{escaped(self.title)}</h2>{key}<div style="overflow-x:auto" '
            'tabindex="0" role="region" '
            f'aria-label="{escaped(self.title)}"><table style="{_STYLE}"><thead><tr>'
            '<th scope="col" '
            f'style="{_HEAD}{_STUCK}">{escaped(self.corner)}</th>{heads}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>{self._listed()}</section>"
        )

    def _listed(self) -> str:
        """What the pointer finds on the cells, as a list that opens: for the keyboard and for
        screen readers.
        """
        if self.hover is None or self.values.size > _LISTED:
            return ""
        rows = "".join(
            f"<li>{escaped(name)}<ul>{''.join(f'<li>{escaped(text)}</li>' for text in row)}</ul></li>"
            for name, row in zip(self.rows, self.hover, strict=True)
        )
        return (
            '<details style="font-size:13px;margin-top:6px;overflow-wrap:anywhere">'
            f"<summary>What each cell says</summary><ul>{rows}</ul></details>"
        )

    def _repr_html_(self) -> str:
        return self.html()

    def _cell(self, row: int, column: int) -> str:
        colour = f"background:{shade(self.strength(row, column))};"
        more = f' title="{escaped(self.hover[row][column])}"' if self.hover is not None else ""
        side = "text-align:right;" if self.text is None else ""
        return f'<td style="{_CELL}{side}{colour}"{more}>{escaped(self.cell(row, column))}</td>'
