"""Points: one quantity against another for networks, items or settings, coloured by what they
are.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from inscape.charts import theme
from inscape.charts.frame import fit, inline, ordered


def points(
    frame: pd.DataFrame, *, x: str, y: str, zero: bool = False, height: int = 280
) -> alt.FacetChart | alt.LayerChart:
    """A point for each row.

    Args:
        frame: columns ``x`` and ``value``; optionally ``series`` (colour and shape), ``name``
            (tooltip) and ``panel`` (one panel each, with a horizontal scale of its own). Series and
            panels keep their order.
        x: title of the horizontal axis, with its unit; with panels, their names say what it is.
        y: title of the vertical axis, with its unit.
        zero: whether the vertical axis starts at zero.
        height: of a panel, px.

    Returns:
        The chart.

    Raises:
        ValueError: a column is missing or there is no row.
    """
    data = inline("points", frame, ["x", "value"], ["series", "name", "panel"])
    series = ordered(frame, "series") if "series" in frame.columns else []
    panels = ordered(frame, "panel") if "panel" in frame.columns else []
    tip = [alt.Tooltip(f"{c}:N") for c in ("name", "series") if c in frame.columns]
    tip += [alt.Tooltip(f"{c}:Q", title=t, format=".4~g") for c, t in (("x", x), ("value", y))]
    mark = {} if series else {"color": theme.BLUE}
    drawn = alt.Chart().mark_point(size=60, filled=True, opacity=0.8, aria=False, **mark)
    drawn = drawn.encode(
        x=alt.X("x:Q", title=x, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=5)),
        y=alt.Y("value:Q", title=y, scale=alt.Scale(zero=zero, nice=True)),
        tooltip=tip,
    )
    if series:
        colours = [theme.SERIES[i % len(theme.SERIES)] for i in range(len(series))]
        legend = alt.Legend(title=None, symbolOpacity=1)
        drawn = drawn.encode(
            color=alt.Color(
                "series:N",
                sort=series,
                legend=legend,
                scale=alt.Scale(domain=series, range=colours),
            ),
            shape=alt.Shape("series:N", sort=series, legend=legend, scale=alt.Scale(domain=series)),
        )
    chart = alt.layer(drawn, height=height, width=340 if len(panels) > 1 else 560)
    if not panels:
        return chart.properties(data=data, usermeta=fit(margin=66, legend=series))
    columns = min(2, len(panels))
    facet = chart.facet(
        facet=alt.Facet("panel:N", sort=panels, title=None), columns=columns, data=data
    ).resolve_scale(x="independent")
    return facet.properties(usermeta=fit(columns, cell=300, margin=66, legend=series))
