"""Predicted against true values, with the line on which a perfect reading would lie."""

from __future__ import annotations

import altair as alt
import pandas as pd

from inscape.charts import theme
from inscape.charts.frame import fit, inline, ordered


def predicted_vs_true(
    frame: pd.DataFrame,
    *,
    quantity: str = "value",
    unit: str = "",
    number: str = ",.4~g",
    size: int = 460,
) -> alt.LayerChart:
    """A point for each example at (true, predicted), and the identity line.

    Args:
        frame: columns ``true``, ``predicted``; optionally ``name`` (tooltip), ``group`` (colour)
            and, for an interval of each prediction, ``low`` and ``high`` (a thin vertical line).
        quantity: what is predicted, for the axes.
        unit: its unit.
        number: d3 format of ticks and tooltips (``"d"`` for years).
        size: width and height, px.

    Returns:
        The chart.

    Raises:
        ValueError: a column is missing or there is no row.
    """
    data = inline(
        "predicted_vs_true", frame, ["true", "predicted"], ["name", "group", "low", "high"]
    )
    titled = f"{quantity} ({unit})" if unit else quantity
    scale = alt.Scale(zero=False, nice=True)
    axis = alt.Axis(format=number, tickCount=6)
    x = alt.X("true:Q", title=f"true {titled}", scale=scale, axis=axis)
    y = alt.Y("predicted:Q", title=f"predicted {titled}", scale=scale, axis=axis)
    tooltip = [
        *(alt.Tooltip(f"{c}:N") for c in ("name", "group") if c in frame.columns),
        *(
            alt.Tooltip(f"{c}:Q", format=number)
            for c in ("true", "predicted", "low", "high")
            if c in frame.columns
        ),
    ]
    base = alt.Chart().encode(x=x, tooltip=tooltip)
    if "group" in frame.columns:
        groups = ordered(frame, "group")
        legend = alt.Legend(title=None, symbolType="circle", symbolOpacity=1, symbolStrokeWidth=0)
        base = base.encode(
            color=alt.Color("group:N", sort=groups, legend=legend, scale=alt.Scale(domain=groups))
        )
    mark = {} if "group" in frame.columns else {"color": theme.BLUE}
    low, high = float(frame["true"].min()), float(frame["true"].max())
    ends = alt.Chart(
        alt.InlineData(values=[{"true": low, "predicted": low}, {"true": high, "predicted": high}])
    )
    layers = [
        ends.mark_line(strokeDash=[5, 4], strokeWidth=1.5, color=theme.GREY, aria=False).encode(
            x=x, y=y
        ),
        base.mark_circle(size=26, opacity=0.6, aria=False, **mark).encode(y=y),
    ]
    if {"low", "high"} <= set(frame.columns):
        layers.insert(
            1, base.mark_rule(opacity=0.3, aria=False, **mark).encode(y=alt.Y("low:Q"), y2="high:Q")
        )
    chart = alt.layer(*layers, data=data, width=size, height=size)
    return chart.properties(usermeta=fit(margin=76, aspect=1.0, most=size + 76))
