"""Probe score by layer: what the model's layers hold, against what chance, structure and input
alone would give.

One panel per target. A line is the score, the band around it the named interval; a series without
layers (the input embedding, say) is a horizontal rule. Grey is kept for nulls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from inscape.charts import theme
from inscape.charts.frame import fit, inline, ordered

_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3], [4, 4])


def score_by_layer(
    frame: pd.DataFrame,
    *,
    score: str = "R²",
    interval: str = "95 % interval",
    layer: str = "Layer",
    nulls: Sequence[str] = ("shuffled labels",),
    chosen: Mapping[str, Any] | int | np.integer | None = None,
    height: int = 280,
) -> alt.FacetChart | alt.LayerChart:
    """Score by layer with intervals, for the real model and what it is compared with.

    Args:
        frame: columns ``series`` (``"trained model"``, ``"untrained model"``,
            ``"shuffled labels"``, ``"input embedding"`` …), ``layer`` (number; missing for a series
            that belongs to no layer), ``value``, ``low``, ``high``, and optionally ``target`` (one
            panel each). Series and targets keep their order.
        score: what is scored, with its unit: the vertical axis.
        interval: what the bands are, named in the legend.
        layer: title of the horizontal axis.
        nulls: series drawn in grey.
        chosen: a layer to mark, the same for all targets or one for each.
        height: of a panel, px.

    Returns:
        The chart.

    Raises:
        ValueError: a column is missing or there is no row.
    """
    columns = ["series", "layer", "value", "low", "high"]
    inline("score_by_layer", frame, columns)
    facets = "target" in frame.columns
    marks = frame.assign(role="curve")
    marks.loc[marks["layer"].isna(), "role"] = "level"
    targets = ordered(frame, "target") if facets else [""]
    picked = (
        dict(chosen or {})
        if chosen is None or isinstance(chosen, Mapping)
        else {t: int(chosen) for t in targets}
    )
    lines = [
        {"role": "chosen", "target": t, "layer": at, "text": f"chosen layer: {at}"}
        for t, at in picked.items()
    ]
    marks = pd.concat([marks, pd.DataFrame(lines)], ignore_index=True) if lines else marks
    data = inline("score_by_layer", marks, [*columns, "role"], ["target", "text"])

    layers = _layers(frame, score, interval, layer, nulls, bool(lines))
    panel = alt.layer(*layers, height=height, width=400 if facets and len(targets) > 1 else 640)
    if not facets:
        return panel.properties(data=data, usermeta=fit(margin=64, legend=ordered(frame, "series")))
    return panel.facet(
        facet=alt.Facet("target:N", sort=targets, title=None),
        columns=min(2, len(targets)),
        data=data,
    ).properties(
        usermeta=fit(min(2, len(targets)), cell=320, margin=66, legend=ordered(frame, "series"))
    )


def _layers(
    frame: pd.DataFrame, score: str, interval: str, layer: str, nulls: Sequence[str], chosen: bool
) -> list[alt.Chart]:
    series = ordered(frame, "series")
    colours = iter(theme.SERIES * (1 + len(series)))
    palette = [theme.GREY if s in nulls else next(colours) for s in series]
    legend = alt.Legend(
        title=f"Line: {score}. Band: {interval}",
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
    ends = frame["layer"].dropna()
    # over few layers tickMinStep still lets half layers through, and "d" would print them as their
    # neighbours
    few = len(ends) > 0 and ends.max() - ends.min() <= 12
    values = list(range(int(ends.min()), int(ends.max()) + 1)) if few else alt.Undefined
    axis = alt.Axis(grid=False, tickMinStep=1, format="d", values=values)
    x = alt.X("layer:Q", title=layer, axis=axis, scale=alt.Scale(nice=False))
    y = alt.Y("value:Q", title=score, scale=alt.Scale(zero=True))
    low, high = alt.Y("low:Q", title=score), alt.Y2("high:Q")
    tip = [
        alt.Tooltip("series:N", title="series"),
        alt.Tooltip("layer:Q", title=layer.lower()),
        alt.Tooltip("value:Q", title=score, format=".3f"),
        alt.Tooltip("low:Q", title="low", format=".3f"),
        alt.Tooltip("high:Q", title="high", format=".3f"),
    ]
    base = alt.Chart()
    curve, level = (
        base.transform_filter("datum.role == 'curve'"),
        base.transform_filter("datum.role == 'level'"),
    )
    # one row for each panel: a rule drawn once for each datum would be as dark as they are many
    zero = base.transform_aggregate(rows="count()").mark_rule(
        strokeWidth=1, opacity=0.6, aria=False
    )
    zero = zero.encode(y=alt.datum(0))
    out = [
        curve.mark_area(opacity=0.2, aria=False).encode(x=x, y=low, y2=high, color=colour),
        zero,
        curve.mark_line(strokeWidth=2.2, aria=False).encode(
            x=x, y=y, color=colour, strokeDash=dash
        ),
        curve.mark_point(size=90, opacity=0, filled=True).encode(
            x=x, y=y, color=colour, tooltip=tip
        ),
    ]
    if frame["layer"].isna().any():  # a mark of no rows has no extent, which browsers warn of
        out.insert(
            1, level.mark_rect(opacity=0.13, aria=False).encode(y=low, y2=high, color=colour)
        )
        out.insert(
            3,
            level.mark_rule(strokeWidth=1.8).encode(
                y=y, color=colour, strokeDash=dash, tooltip=tip
            ),
        )
    if chosen:
        here = base.transform_filter("datum.role == 'chosen'")
        out.append(here.mark_rule(strokeWidth=1, strokeDash=[3, 3]).encode(x=x))
        label = here.mark_text(align="right", baseline="top", dx=-5, fontSize=11)
        out.append(label.encode(x=x, y=alt.value(2), text="text:N"))
    return out
