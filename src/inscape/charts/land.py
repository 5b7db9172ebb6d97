"""The backdrop of a map of the world: sea, grid of meridians and parallels, land.

Greys with low opacity, so that they sit quietly on a light and a dark page alike. Antarctica is
left out and the sea ends at `SOUTH`: nobody lives there, and the inhabited world gets the room. The
sea's outline also fixes the projection.

Reference: Natural Earth 1:110m land (public domain), as TopoJSON by world-atlas.
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from itertools import accumulate
from typing import Any

import altair as alt

#: the map's southern and northern edge, degrees
SOUTH, NORTH = -58, 84
#: height / width of this part of the world in the Equal Earth projection
ASPECT = 0.455


@functools.cache
def outline() -> dict[str, Any]:
    """The land's outline without what lies wholly south of 60° S, as TopoJSON with the object
    ``land``.
    """
    topology = json.loads(
        files("inscape.charts").joinpath("land-110m.json").read_text(encoding="utf-8")
    )
    scale, shift = topology["transform"]["scale"][1], topology["transform"]["translate"][1]

    def north(arc: int) -> float:
        steps = (point[1] for point in topology["arcs"][arc if arc >= 0 else ~arc])
        return max(accumulate(steps)) * scale + shift

    (land,) = topology["objects"]["land"]["geometries"]
    kept = [
        polygon
        for polygon in land["arcs"]
        if max(north(arc) for ring in polygon for arc in ring) > -60
    ]
    topology["objects"] = {"land": {"type": "MultiPolygon", "arcs": kept}}
    return topology


def sea() -> dict[str, Any]:
    """The outline of the map as a GeoJSON polygon, dense enough that its edges follow the
    parallels.
    """
    meridian = range(SOUTH, NORTH + 1, 2)
    parallel = [-179.99, *range(-178, 179, 2), 179.99]
    top, right = [[x, NORTH] for x in parallel], [[179.99, y] for y in reversed(meridian)]
    bottom, left = [[x, SOUTH] for x in reversed(parallel)], [[-179.99, y] for y in meridian]
    ring = [*top, *right[1:], *bottom[1:], *left[1:]]
    return {
        "type": "Feature",
        "properties": {},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def datasets() -> dict[str, Any]:
    """What `backdrop` refers to by name: once in a specification, however many maps it has."""
    return {"sea": [sea()], "land": outline()}


def backdrop() -> list[alt.Chart]:
    """Layers to put beneath the points of a map; the chart needs `datasets` as its own."""
    water = alt.NamedData(name="sea")
    ground = alt.NamedData(name="land", format=alt.TopoDataFormat(type="topojson", feature="land"))
    extent = [[-180, SOUTH], [180, NORTH + 0.01]]
    lines = alt.graticule(step=[30, 30], extentMajor=extent, extentMinor=extent)
    quiet = {"aria": False, "tooltip": None}
    return [
        alt.Chart(water).mark_geoshape(fill="#7d93a8", fillOpacity=0.10, stroke=None, **quiet),
        alt.Chart(lines).mark_geoshape(
            filled=False, stroke="#7d8894", strokeOpacity=0.22, strokeWidth=0.6, **quiet
        ),
        alt.Chart(ground).mark_geoshape(
            fill="#808a94",
            fillOpacity=0.30,
            stroke="#808a94",
            strokeOpacity=0.35,
            strokeWidth=0.4,
            **quiet,
        ),
    ]
