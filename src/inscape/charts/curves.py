"""Curves over a quantity: risk by coverage, accuracy by confidence, a share by depth, each series
with its band.

A band is drawn where ``low`` and ``high`` are there. ``diagonal`` draws the line on which both axes
agree: for accuracy by confidence, what a calibrated confidence would show.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from inscape.charts import theme
from inscape.charts.frame import fit, inline, ordered

_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3], [4, 4])


def curves(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str = "",
    interval: str = "95 % interval",
    nulls: Sequence[str] = (),
    diagonal: bool = False,
    zero: bool = True,
    points: bool = False,
    height: int = 280,
) -> alt.FacetChart | alt.LayerChart:
    """Lines with bands.

    Args:
        frame: columns ``series``, ``x``, ``value``, optionally ``low`` and ``high`` (a band), ``n``
            (shown in the tooltip) and ``panel`` (one panel each). Series and panels keep their
            order.
        x: title of the horizontal axis, with its unit.
        y: title of the vertical axis, with its unit; without one, each panel is a quantity of its
            own, named above it and drawn on its own scale.
        interval: what the bands are, named in the legend.
        nulls: series drawn in grey.
        diagonal: draw the line x = y.
        zero: whether the vertical axis starts at zero.
        points: mark the values themselves.
        height: of a panel, px.

    Returns:
        The chart.

    Raises:
        ValueError: a column is missing, there is no row, or neither a title nor panels say what is
            drawn.
    """
    if not y and "panel" not in frame.columns:
        raise ValueError("curves: give y, the title of the vertical axis, or a column panel")
    data = inline("curves", frame, ["series", "x", "value"], ["low", "high", "n", "panel"])
    series = ordered(frame, "series")
    colours = iter(theme.SERIES * (1 + len(series)))
    palette = [theme.GREY if s in nulls else next(colours) for s in series]
    banded = {"low", "high"} <= set(frame.columns)
    legend = alt.Legend(
        title=f"Band: {interval}" if banded else None,
        symbolType="stroke",
        symbolSize=300,
        symbolOpacity=1,
    )
    colour = alt.Color(
        "series:N", sort=series, scale=alt.Scale(domain=series, range=palette), legend=legend
    )
    dashes = [_DASHES[i % len(_DASHES)] for i in range(len(series))]
    dash = alt.StrokeDash(
        "series:N", sort=series, scale=alt.Scale(domain=series, range=dashes), legend=legend
    )
    across = alt.X("x:Q", title=x, scale=alt.Scale(nice=False), axis=_axis(frame["x"]))
    up = alt.Y("value:Q", title=y or None, scale=alt.Scale(zero=zero))
    tip = [alt.Tooltip("series:N"), alt.Tooltip("x:Q", title=x, format=".3f")]
    shown = [("value", y or "value"), ("low", "low"), ("high", "high"), ("n", "n")]
    tip += [alt.Tooltip(f"{c}:Q", title=t, format=".3~f") for c, t in shown if c in frame.columns]
    base = alt.Chart()
    layers = []
    if diagonal:
        ends = alt.Chart(alt.InlineData(values=[{"x": 0, "value": 0}, {"x": 1, "value": 1}]))
        layers.append(
            ends.mark_line(strokeDash=[5, 4], color=theme.GREY, aria=False).encode(
                x="x:Q", y="value:Q"
            )
        )
    if banded:
        layers.append(
            base.mark_area(opacity=0.18, aria=False).encode(
                x=across, y="low:Q", y2="high:Q", color=colour
            )
        )
    layers.append(
        base.mark_line(strokeWidth=2.2, aria=False).encode(
            x=across, y=up, color=colour, strokeDash=dash
        )
    )
    dots = base.mark_point(size=44, filled=True, opacity=1.0 if points else 0.0)
    layers.append(dots.encode(x=across, y=up, color=colour, tooltip=tip))
    panels = ordered(frame, "panel") if "panel" in frame.columns else []
    chart = alt.layer(*layers, height=height, width=340 if len(panels) > 1 else 560)
    if not panels:
        return chart.properties(data=data, usermeta=fit(margin=66, legend=series))
    columns = min(2, len(panels))
    facet = chart.facet(
        facet=alt.Facet("panel:N", sort=panels, title=None), columns=columns, data=data
    )
    if y:
        return facet.properties(usermeta=fit(columns, cell=300, margin=66, legend=series))
    # panels stand in line by what is drawn, whatever the width of their own axes
    facet = facet.resolve_scale(y="independent").properties(bounds="flush", spacing=60)
    return facet.properties(usermeta=fit(columns, cell=300, margin=46, legend=series))


def _axis(x: pd.Series) -> alt.Axis:
    """Ticks at whole numbers where there are no others: tickMinStep alone lets halves through over
    few of them.
    """
    ends = x.dropna()
    if len(ends) == 0 or (ends % 1 != 0).any():
        return alt.Axis(grid=False)
    few = ends.max() - ends.min() <= 12
    values = list(range(int(ends.min()), int(ends.max()) + 1)) if few else alt.Undefined
    return alt.Axis(grid=False, tickMinStep=1, format="d", values=values)
