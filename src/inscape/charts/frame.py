"""From a data frame to the rows inside a figure's specification.

The rows are inlined, so that a figure needs no other file; numbers are rounded to the significant
digits that a screen can show, which keeps a report small. A missing column is refused by name.
Cost: linear in the cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd


def inline(
    caller: str,
    frame: pd.DataFrame,
    needed: Sequence[str],
    optional: Iterable[str] = (),
    digits: int = 5,
) -> alt.InlineData:
    """The rows of some columns, as data for a chart.

    Args:
        caller: the chart function's name, for the message.
        frame: the table.
        needed: columns that must be there.
        optional: columns taken along where they exist.
        digits: significant digits kept.

    Returns:
        Inline data; NaN and infinities become null.

    Raises:
        ValueError: a column is missing, or there is no row.
    """
    missing = [c for c in needed if c not in frame.columns]
    if missing:
        raise ValueError(
            f"{caller}: the frame has no column {', '.join(missing)}; it has "
            f"{', '.join(frame.columns)}"
        )
    if frame.empty:
        raise ValueError(f"{caller}: the frame has no rows, so there is nothing to draw")
    columns = [*needed, *(c for c in optional if c in frame.columns and c not in needed)]
    values = [
        dict(zip(columns, (plain(v, digits) for v in row), strict=True))
        for row in frame[columns].itertuples(index=False, name=None)
    ]
    return alt.InlineData(values=values)


def plain(value: Any, digits: int = 5) -> str | int | float | bool | None:
    """One cell as JSON can hold it: numbers rounded to `digits` significant digits, what is not
    finite as null.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{digits}g}") if math.isfinite(value) else None
    return None if value is None or value is pd.NA or value is pd.NaT else str(value)


def ordered(frame: pd.DataFrame, column: str) -> list[str]:
    """The distinct values of a column as text, in the order in which they first appear."""
    return [str(v) for v in pd.unique(frame[column].dropna())]


def titled(name: str, unit: str) -> str:
    """The title of an axis: a quantity and its unit, said once where the name holds it.

    Example:
        >>> titled("median error", "km"), titled("change of CKA", "CKA"), titled("hits", "")
        ('median error (km)', 'change of CKA', 'hits')
    """
    return f"{name} ({unit})" if unit and f" {unit} " not in f" {name} " else name


#: letters of a label that fit on a line, beside bars
LINE = 30


def two_lines(names: Iterable[str]) -> dict[str, Any]:
    """Options of a vertical axis that write long labels on two lines, centred on their tick.

    A label is broken at the last space that leaves its first line at most `LINE` letters; one
    without such a space stays on one line, which the axis may cut.

    Args:
        names: what the labels say.

    Returns:
        ``labelExpr`` and ``labelBaseline`` of Vega-Lite; nothing where no label is broken.

    Example:
        >>> two_lines(["trained", "untrained"])
        {}
        >>> sorted(two_lines(["untrained self-distilled transformer"]))
        ['labelBaseline', 'labelExpr']
    """
    if not any(len(name) > LINE and " " in name[1 : LINE + 1] for name in names):
        return {}
    at = f"lastindexof(slice(datum.label, 0, {LINE + 1}), ' ')"
    broken = f"length(datum.label) > {LINE} && {at} > 0"
    lines = f"[slice(datum.label, 0, {at}), slice(datum.label, {at} + 1)]"
    # the place of a label is that of its first line, which is above the tick where there are two
    baseline = {"condition": {"test": broken, "value": "bottom"}, "value": "middle"}
    return {"labelExpr": f"{broken} ? {lines} : datum.label", "labelBaseline": baseline}


def fit(
    columns: int = 1,
    *,
    cell: int = 300,
    outside: int = 0,
    margin: int = 60,
    aspect: float | None = None,
    most: int | None = None,
    legend: Sequence[str] = (),
) -> dict[str, Any]:
    """What a page needs to know to refit a figure to its width: the value of the specification's
    ``usermeta``.

    Args:
        columns: most panels in a row.
        cell: least width of a panel before the row breaks, px.
        outside: px that axes take beside each panel.
        margin: px that axes and legends take beside all of them.
        aspect: height / width of a panel, or None to keep the height.
        most: most px the figure may take, or None for the page's width.
        legend: what stands in the legend, which breaks into rows where the page is too narrow for
            all of it.
    """
    shape = {
        "columns": columns,
        "cell": cell,
        "outside": outside,
        "margin": margin,
        "aspect": aspect,
        "most": most,
    }
    # a letter of the legend's type is some 6.5 px wide, a symbol with its gaps 44
    entry = {"entry": round(44 + 6.5 * max(map(len, legend)))} if legend else {}
    return {"inscape": {**shape, **entry}}
