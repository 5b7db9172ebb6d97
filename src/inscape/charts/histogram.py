"""A null distribution with the observed value marked: how far the answer lies from what chance
gives.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from inscape.charts import theme
from inscape.charts.frame import fit, inline


def null_distribution(
    frame: pd.DataFrame,
    observed: float | int,
    *,
    value: str = "R²",
    null: str = "shuffled labels",
    interval: tuple[float | int, float | int] | None = None,
    interval_name: str = "95 % of the null",
    bins: int = 30,
    height: int = 220,
) -> alt.LayerChart:
    """The histogram of draws from a null, its interval shaded, the observed value as a line with
    its number.

    Args:
        frame: column ``value``, a row for each draw.
        observed: what was measured.
        value: what the values are, with their unit: the horizontal axis.
        null: how the draws were made.
        interval: ends of the null's interval, drawn as a band.
        interval_name: what the band is, named in the axis title.
        bins: most bins.
        height: px.

    Returns:
        The chart.

    Raises:
        ValueError: the column is missing or there is no row.
    """
    data = inline("null_distribution", frame, ["value"])
    titled = value if interval is None else f"{value}; grey band: {interval_name}"
    x = alt.X(
        "start:Q", title=titled, axis=alt.Axis(grid=False, tickCount=8), scale=alt.Scale(zero=False)
    )
    y = alt.Y("draws:Q", title=f"draws of the null ({null})", axis=alt.Axis(tickMinStep=1))
    counts = (
        alt.Chart(data)
        .transform_bin(["start", "end"], "value", bin=alt.Bin(maxbins=bins))
        .transform_aggregate(draws="count()", groupby=["start", "end"])
    )
    bars = counts.mark_rect(color=theme.GREY, opacity=0.8, stroke=None)
    tooltip = [
        alt.Tooltip("start:Q", title="from"),
        alt.Tooltip("end:Q", title="to"),
        alt.Tooltip("draws:Q"),
    ]
    layers = [bars.encode(x=x, x2="end:Q", y=y, y2=alt.datum(0), tooltip=tooltip)]
    if interval is not None:
        band = alt.Chart(
            alt.InlineData(
                values=[{"start": interval[0], "end": interval[1], "name": interval_name}]
            )
        )
        shade = band.mark_rect(color=theme.GREY, opacity=0.18)
        layers.insert(0, shade.encode(x=x, x2="end:Q", tooltip=["name:N", "start:Q", "end:Q"]))
    mark = alt.Chart(
        alt.InlineData(values=[{"start": float(observed), "name": f"observed {observed:.3g}"}])
    ).encode(x=x)
    layers.append(mark.mark_rule(color=theme.VERMILLION, strokeWidth=2.5).encode(tooltip="name:N"))
    # above the plot, where no bar can be behind it
    label = mark.mark_text(baseline="bottom", dy=-5, fontWeight=600, fontSize=12, aria=False)
    layers.append(label.encode(y=alt.value(0), text="name:N"))
    return alt.layer(*layers, width=560, height=height).properties(usermeta=fit(margin=66))
