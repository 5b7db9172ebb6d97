"""The map of the world as a representation holds it, beside the map as it is.

Left, places at their true positions; right, where a probe puts them; colour is the continent. Thin
lines on the right go from the truth to the prediction for the rows marked as traced. Equal Earth
projection, so that areas compare. Predictions off the map are drawn at its edge; their true numbers
are in the tooltip.

References: Gurnee and Tegmark (2023), arXiv:2310.02207, figure 1; Šavrič, Patterson and Jenny
    (2018), Equal Earth.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from inscape.charts import land
from inscape.charts.frame import fit, inline, ordered

#: in the order of the palette, so that neighbours on the map differ most
CONTINENTS = ("Europe", "Asia", "North America", "South America", "Africa", "Oceania", "Antarctica")


def world_map(
    frame: pd.DataFrame,
    *,
    true_title: str = "True positions",
    predicted_title: str = "Predicted positions",
    size: float | int = 16.0,
    width: int = 490,
) -> alt.ConcatChart:
    """True positions beside predicted positions.

    Args:
        frame: columns ``city``, ``country``, ``continent``, ``latitude``, ``longitude``,
            ``latitude_predicted``, ``longitude_predicted`` (degrees), ``error_km``; optionally
            ``traced`` (bool: draw the line from truth to prediction) and ``label`` (text beside the
            point on both maps, missing or empty for none).
        true_title: title of the left map.
        predicted_title: title of the right map.
        size: area of a point, px².
        width: of one map, px.

    Returns:
        The chart; clicking a continent in the legend picks it out, pointing at a place finds it on
        both maps.

    Raises:
        ValueError: a column is missing or there is no row.
    """
    numbers = ["latitude", "longitude", "latitude_predicted", "longitude_predicted", "error_km"]
    data = inline(
        "world_map", frame, ["city", "country", "continent", *numbers], ["traced", "label"]
    )
    found = ordered(frame, "continent")
    continents = [c for c in CONTINENTS if c in found] + [c for c in found if c not in CONTINENTS]

    continent = alt.selection_point(name="continent", fields=["continent"], bind="legend")
    place = alt.selection_point(
        name="place", fields=["city", "country"], on="pointerover", clear="pointerout", empty=False
    )
    look = (continents, continent, place, size)
    true = [*land.backdrop(), *_points("true", "longitude", "latitude", *look)]
    predicted = [*land.backdrop(), *_points("predicted", "x", "y", *look)]
    if "traced" in frame.columns:
        predicted.insert(3, _lines(continents, continent))
    if "label" in frame.columns:
        true.extend(_labels("longitude", "latitude"))
        predicted.extend(_labels("x", "y"))
    panels = [_panel(true, true_title, width), _panel(predicted, predicted_title, width)]
    chart = alt.concat(*panels, columns=2, spacing=20, data=data, datasets=land.datasets())
    # both selections listen to the points of both maps (Altair numbers their names), so that one
    # finds the other
    views = [
        str(layer.name)
        for panel in chart.concat
        for layer in panel.layer
        if isinstance(layer.name, str)
    ]
    chart.params = [
        alt.TopLevelParameter(**p.param.to_dict(), views=views) for p in (continent, place)
    ]
    return chart.properties(usermeta=fit(2, cell=380, margin=10, aspect=land.ASPECT))


def _panel(layers: list[alt.Chart], title: str, width: int) -> alt.LayerChart:
    edges = {
        "x": "clamp(datum.longitude_predicted, -179.9, 179.9)",
        "y": f"clamp(datum.latitude_predicted, {land.SOUTH + 0.5}, {land.NORTH - 0.5})",
    }
    moved = [*layers[:3], *(layer.transform_calculate(**edges) for layer in layers[3:])]
    panel = alt.layer(*moved, title=title, width=width, height=round(width * land.ASPECT))
    return panel.project(type="equalEarth")


def _colour(continents: list[str]) -> alt.Color:
    legend = alt.Legend(
        title=None, symbolType="circle", symbolSize=70, symbolOpacity=1, symbolStrokeWidth=0
    )
    return alt.Color(
        "continent:N", sort=continents, scale=alt.Scale(domain=continents), legend=legend
    )


def _points(
    name: str,
    longitude: str,
    latitude: str,
    continents: list[str],
    continent: alt.Parameter,
    place: alt.Parameter,
    size: float | int,
) -> list[alt.Chart]:
    tooltip = [
        alt.Tooltip("city:N", title="city"),
        alt.Tooltip("country:N", title="country"),
        alt.Tooltip("error_km:Q", title="error (km)", format=",.0f"),
        alt.Tooltip("latitude:Q", title="true latitude (°)", format=".1f"),
        alt.Tooltip("longitude:Q", title="true longitude (°)", format=".1f"),
        alt.Tooltip("latitude_predicted:Q", title="predicted latitude (°)", format=".1f"),
        alt.Tooltip("longitude_predicted:Q", title="predicted longitude (°)", format=".1f"),
    ]
    base = alt.Chart().encode(longitude=f"{longitude}:Q", latitude=f"{latitude}:Q")
    points = (
        base.properties(name=name)
        .mark_circle(aria=False)
        .encode(
            color=_colour(continents),
            opacity=alt.condition(continent, alt.value(0.7), alt.value(0.05)),
            size=alt.condition("datum.traced", alt.value(2.5 * size), alt.value(size)),
            tooltip=tooltip,
        )
    )
    ring = base.transform_filter(place).mark_point(
        size=150, filled=False, strokeWidth=2.5, aria=False
    )
    return [points, ring.encode(color=_colour(continents))]


def _lines(continents: list[str], continent: alt.Parameter) -> alt.Chart:
    traced = alt.Chart().transform_filter("datum.traced").mark_rule(strokeWidth=1, aria=False)
    return traced.encode(
        longitude="longitude:Q",
        latitude="latitude:Q",
        longitude2="x:Q",
        latitude2="y:Q",
        color=_colour(continents),
        opacity=alt.condition(continent, alt.value(0.8), alt.value(0.03)),
    )


def _labels(longitude: str, latitude: str) -> list[alt.Chart]:
    named = alt.Chart().transform_filter("datum.label")
    place = named.encode(longitude=f"{longitude}:Q", latitude=f"{latitude}:Q", text="label:N")
    shape = {"align": "left", "dx": 5, "dy": -4, "fontSize": 10.5, "fontWeight": 600, "aria": False}
    # the first, stroked in the page's colour, keeps the second readable over points
    return [place.mark_text(style="halo", **shape), place.mark_text(**shape)]
