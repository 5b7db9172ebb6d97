"""Scores of two classes before and after: do they still come apart?

One panel a condition, all on one scale; a panel holds one histogram for each class, as outlines
that both can be seen through. Bins are made by the figure, from the rows inside it.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from inscape.charts.frame import fit, inline, ordered


def by_class(
    frame: pd.DataFrame,
    *,
    value: str = "score",
    classes: str = "class",
    bins: int = 30,
    height: int = 120,
) -> alt.FacetChart:
    """Histograms of a score for each class, one panel a condition.

    Args:
        frame: columns ``panel``, ``class``, ``value``, a row for each example; panels and classes
            keep their order.
        value: what the score is, with its unit: the horizontal axis.
        classes: title of the legend.
        bins: most bins over the whole range.
        height: of a panel, px.

    Returns:
        The chart.

    Raises:
        ValueError: a column is missing or there is no row.
    """
    data = inline("by_class", frame, ["panel", "class", "value"])
    panels, names = ordered(frame, "panel"), ordered(frame, "class")
    x = alt.X("value:Q", bin=alt.Bin(maxbins=bins), title=value, axis=alt.Axis(grid=False))
    y = alt.Y("count():Q", title="examples", stack=None)
    colour = alt.Color("class:N", sort=names, legend=alt.Legend(title=classes))
    tooltip = [
        alt.Tooltip("class:N"),
        alt.Tooltip("value:Q", bin=True, title=value),
        alt.Tooltip("count():Q"),
    ]
    bars = (
        alt.Chart()
        .mark_bar(opacity=0.55, binSpacing=0)
        .encode(x=x, y=y, color=colour, tooltip=tooltip)
    )
    facet = alt.Facet("panel:N", sort=panels, title=None, header=alt.Header(labelAnchor="start"))
    panel = bars.properties(height=height, width=560)
    return panel.facet(facet=facet, columns=1, data=data).properties(
        usermeta=fit(margin=66, legend=names)
    )
