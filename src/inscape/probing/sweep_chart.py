"""A sweep as a figure: the score by layer with its interval and its null, or bars where sites have
no layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from inscape.charts.bars import values_by_group
from inscape.charts.layers import score_by_layer
from inscape.core.errors import SiteError
from inscape.core.evidence import Evidence
from inscape.core.site import Site


def chart(
    evidence: Sequence[Evidence], targets: Sequence[str], level: float, null: str = ""
) -> alt.FacetChart | alt.LayerChart:
    """Scores of every site, one line for each kind of site, the mean of the null in grey.

    Sites without a layer (the input embedding) are horizontal lines. Where no site has a layer,
    sites are bars.

    Args:
        evidence: of every site and target, the site and the target in its ``where``.
        targets: names of the targets.
        level: confidence level of the intervals.
        null: what to call the null; its own name by default.
    """
    rows = []
    for e in evidence:
        low, high = e.ends
        series, layer = place(str(e.where["site"]))
        row = {"series": series, "layer": layer, "value": e.value, "low": low, "high": high}
        rows.append({**row, "target": e.where["target"], "site": e.where["site"], "null": e.null})
    rows.sort(key=lambda row: row["layer"] is None)  # lines before rules, in colours and legend
    frame = pd.DataFrame(rows)
    unit = evidence[0].unit
    if frame["layer"].isna().all():
        bars = frame.assign(
            group=frame["site"], null=[n.mean if n else None for n in frame["null"]]
        )
        if len(targets) > 1:
            bars["group"] = bars["site"] + ", " + bars["target"]
        return values_by_group(bars[["group", "value", "low", "high", "null"]], value=unit, unit="")
    chance = [
        {**row, "series": null or row["null"].kind, "value": row["null"].mean}
        | {"low": row["null"].low, "high": row["null"].high}
        for row in rows
        if row["null"] is not None and row["layer"] is not None
    ]
    columns = ["series", "layer", "value", "low", "high"]
    columns += ["target"] if len(targets) > 1 else []
    kinds = tuple(dict.fromkeys(str(r["series"]) for r in chance))
    # of several kinds of site at a layer the first one's null stands for all
    drawn = pd.DataFrame(chance).drop_duplicates(["layer", "target"]) if chance else None
    whole = frame if drawn is None else pd.concat([frame, drawn], ignore_index=True)
    percent = f"{level:.0%} interval".replace("%", " %")
    return score_by_layer(whole[columns], score=unit, interval=percent, nulls=kinds)


def place(site: str) -> tuple[str, Any]:
    """The kind of a site and its layer; a name that is no site is its own kind, without a layer."""
    try:
        found = Site.parse(site)
    except (SiteError, ValueError):
        return site, None
    if found.layer is None:
        return site, None
    head = getattr(found, "head", None)
    return (found.point if head is None else f"{found.point} head {head}"), found.layer
