"""One value per group with its interval, sorted: errors per country, scores per task.

Where there are many groups, the lowest and the highest are shown side by side on one scale. The bar
is the value, the thin line on it the named interval. A long name is written on two lines.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from inscape.charts import theme
from inscape.charts.frame import fit, inline, ordered, titled, two_lines


def values_by_group(
    frame: pd.DataFrame,
    *,
    value: str = "median error",
    unit: str = "",
    interval: str = "95 % interval",
    ends: int = 12,
    low_title: str = "lowest",
    high_title: str = "highest",
) -> alt.ConcatChart | alt.LayerChart:
    """Sorted bars with intervals, one for each group.

    Args:
        frame: columns ``group``, ``value``, ``low``, ``high``; optionally ``n`` (shown in the
            tooltip and beside the name) and ``null`` (a tick on each bar: what chance gives).
        value: what is shown.
        unit: its unit.
        interval: what the lines are, named in the axis title.
        ends: groups shown at either end; up to twice as many groups are all shown in one panel.
        low_title: heading of the panel with the lowest values.
        high_title: heading of the panel with the highest.

    Returns:
        The chart.

    Raises:
        ValueError: a column is missing or there is no row.
    """
    inline("values_by_group", frame, ["group", "value", "low", "high"])
    rows = frame.sort_values("value")
    counts = rows["n"] if "n" in rows.columns else [None] * len(rows)
    rows = rows.assign(
        name=[
            str(g) if pd.isna(n) else f"{g} ({n:,.0f})"
            for g, n in zip(rows["group"], counts, strict=True)
        ]
    )
    title = titled(value, unit)
    if len(rows) <= 2 * ends:
        return _panel(rows, title, interval).properties(width=560, usermeta=fit(margin=180))
    halves = [(rows.head(ends), low_title), (rows.tail(ends), high_title)]
    panels = [
        _panel(half, title, interval).properties(width=330, title=head) for half, head in halves
    ]
    chart = alt.concat(*panels, columns=2, spacing=20).resolve_scale(x="shared")
    return chart.properties(usermeta=fit(2, cell=200, outside=130, margin=16))


def _panel(rows: pd.DataFrame, title: str, interval: str) -> alt.LayerChart:
    data = inline("values_by_group", rows, ["group", "name", "value", "low", "high"], ["n", "null"])
    x = alt.X(
        "value:Q",
        title=f"{title}; line: {interval}",
        scale=alt.Scale(zero=True),
        axis=alt.Axis(tickCount=5),
    )
    names = ordered(rows, "name")
    broken = two_lines(names)
    y = alt.Y("name:N", title=None, sort=names, axis=alt.Axis(grid=False, labelLimit=190, **broken))
    shown = {"value": title, "low": "low", "high": "high", "null": "null"}
    tooltip = [alt.Tooltip("group:N"), *([alt.Tooltip("n:Q")] if "n" in rows.columns else [])]
    tooltip += [
        alt.Tooltip(f"{c}:Q", format=",.4~g", title=t)
        for c, t in shown.items()
        if c in rows.columns
    ]
    base = alt.Chart().encode(y=y)
    layers = [
        base.mark_bar(color=theme.BLUE, opacity=0.55, height={"band": 0.66}).encode(
            x=x, tooltip=tooltip
        ),
        base.mark_rule(strokeWidth=1.6, aria=False).encode(x=alt.X("low:Q"), x2="high:Q"),
    ]
    if "null" in rows.columns and rows["null"].notna().any():
        layers.append(
            base.mark_tick(color=theme.VERMILLION, thickness=2, height={"band": 0.8}).encode(
                x="null:Q"
            )
        )
    return alt.layer(*layers, data=data, height=alt.Step(32 if broken else 19))
