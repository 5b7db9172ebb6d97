"""A matrix as a heat map with its numbers: cosines between directions, similarities between models,
transfer of probes.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float

from inscape.charts.frame import fit, inline, ordered

#: size of the numbers in squares of the usual size, and the least that can be read, px
_TYPE, _READABLE = 12, 8
#: where on a ramp of one colour the page's text is no longer the better one to read
_STRONG = 0.6
#: slanted names of as many columns stand beside each other without touching
_SLANTED = 16


def cells(
    values: Float[np.ndarray, "r c"], rows: Sequence[str], columns: Sequence[str] = ()
) -> pd.DataFrame:
    """A matrix as `matrix` takes it.

    Args:
        values: (rows, columns).
        rows: names of the rows.
        columns: names of the columns; those of the rows by default.

    Example:
        >>> cells(np.eye(2), ["a", "b"])["value"].tolist()
        [1.0, 0.0, 0.0, 1.0]
    """
    pairs = [(a, b) for a in rows for b in (columns or rows)]
    frame = pd.DataFrame(pairs, columns=["row", "column"])
    return frame.assign(value=np.asarray(values, dtype=np.float64).ravel())


def matrix(
    frame: pd.DataFrame,
    *,
    row: str,
    column: str,
    value: str = "cosine",
    domain: tuple[float | int, float | int] = (-1.0, 1.0),
    number: str = ".2f",
    cell: int = 64,
) -> alt.LayerChart:
    """A square for each pair, its number written in it where there is room.

    Args:
        frame: columns ``row``, ``column``, ``value``; optionally ``low`` and ``high`` (shown in the
            tooltip). Rows and columns keep their order.
        row: title of the vertical axis: what a row is.
        column: title of the horizontal axis: what a column is.
        value: what the numbers are, the legend's title, with its unit.
        domain: ends of the colour scale; one that spans zero is diverging about it.
        number: d3 format of the numbers.
        cell: size of a square, px.

    Returns:
        The chart.

    Raises:
        ValueError: a column is missing or there is no row.
    """
    data = inline("matrix", frame, ["row", "column", "value"], ["low", "high"])
    rows, columns = ordered(frame, "row"), ordered(frame, "column")
    low, high = domain
    signed = low < 0 < high
    scale = (
        alt.Scale(domain=[low, high], clamp=True, domainMid=0, range="diverging", interpolate="rgb")
        if signed
        else alt.Scale(domain=[low, high], clamp=True)
    )
    legend = alt.Legend(
        title=value, orient="right", gradientLength=min(160, cell * len(rows)), format=number
    )
    tooltip = [alt.Tooltip(f"{c}:N") for c in ("row", "column")]
    shown = [c for c in ("value", "low", "high") if c in frame.columns]
    tooltip += [
        alt.Tooltip(f"{c}:Q", title=value if c == "value" else c, format=".3f") for c in shown
    ]
    base = alt.Chart().encode(
        x=alt.X(
            "column:N",
            sort=columns,
            title=column,
            axis=alt.Axis(
                labelAngle=-35, domain=False, ticks=False, labelOverlap=len(columns) > _SLANTED
            ),
        ),
        y=alt.Y("row:N", sort=rows, title=row, axis=alt.Axis(labelOverlap=True)),
        tooltip=tooltip,
    )
    if signed:
        strong = f"abs(datum.value) > {0.85 * max(abs(low), abs(high)):g}"
    else:
        strong = f"datum.value > {low + _STRONG * (high - low):g}"
    squares = base.mark_rect(cornerRadius=2).encode(
        color=alt.Color("value:Q", scale=scale, legend=legend)
    )
    # a page may make the figure smaller: numbers shrink with it, and go where none could read them
    letters = max(len(format(v, number)) for v in (low, high))
    room = f"min({_TYPE}, 0.75 * height / {len(rows)}, 1.5 * width / {letters * len(columns)})"
    type_ = {
        "fontSize": alt.ExprRef(f"max(1, {room})"),
        "opacity": alt.ExprRef(f"{room} < {_READABLE} ? 0 : 1"),
        "aria": False,
    }
    text = base.encode(text=alt.Text("value:Q", format=number))
    on_pale = text.transform_filter(f"!({strong})").mark_text(**type_)
    over = {"color": "white"} if signed else {"style": "strong"}
    on_strong = text.transform_filter(strong).mark_text(**over, **type_)
    width, height = cell * len(columns), round(cell * 0.7) * len(rows)
    chart = alt.layer(squares, on_pale, on_strong, data=data, width=width, height=height)
    return chart.properties(usermeta=fit(margin=210, most=width + 210))
