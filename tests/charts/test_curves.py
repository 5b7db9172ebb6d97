"""Curves: bands where there are intervals, a diagonal where asked, panels where there are some."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.charts.curves import curves

FRAME = pd.DataFrame(
    {
        "series": ["a", "a", "chance", "chance"],
        "x": [0.0, 1.0, 0.0, 1.0],
        "value": [0.1, 0.9, 0.5, 0.5],
    }
)


def marks(spec):
    return [layer["mark"]["type"] for layer in spec["layer"]]


def test_what_is_drawn():
    plain = curves(FRAME, x="confidence", y="accuracy", nulls=("chance",)).to_dict()
    assert marks(plain) == ["line", "point"]
    colour = plain["layer"][0]["encoding"]["color"]
    assert colour["scale"]["domain"] == ["a", "chance"]
    assert colour["scale"]["range"][1] == "#85898f"
    banded = curves(FRAME.assign(low=0.0, high=1.0), x="x", y="y", diagonal=True).to_dict()
    assert marks(banded) == ["line", "area", "line", "point"]
    assert "95 % interval" in banded["layer"][1]["encoding"]["color"]["legend"]["title"]
    assert curves(FRAME.assign(panel=["p", "p", "q", "q"]), x="x", y="y").to_dict()["facet"][
        "sort"
    ] == ["p", "q"]


def test_panels_of_different_quantities_have_scales_of_their_own():
    panels = FRAME.assign(panel=["accuracy", "accuracy", "rank", "rank"])
    own = curves(panels, x="step").to_dict()
    assert own["resolve"] == {"scale": {"y": "independent"}}
    up = [part["encoding"]["y"] for part in own["spec"]["layer"]]
    assert [y["title"] for y in up] == [None, None]
    same = curves(panels, x="step", y="share").to_dict()
    assert "resolve" not in same
    assert {part["encoding"]["y"]["title"] for part in same["spec"]["layer"]} == {"share"}


def test_what_is_refused():
    with pytest.raises(ValueError, match="give y, the title of the vertical axis, or a column"):
        curves(FRAME, x="x")
    with pytest.raises(ValueError, match="curves: the frame has no column value"):
        curves(FRAME.drop(columns="value"), x="x", y="y")
    with pytest.raises(ValueError, match="no rows"):
        curves(FRAME.iloc[:0], x="x", y="y")


@pytest.mark.parametrize(
    ("x", "ticks"), [((0, 3), [0, 1, 2, 3]), ((0, 29), None), ((0.5, 2.0), None)]
)
def test_ticks_stand_at_whole_numbers_where_there_are_no_others(x, ticks):
    spec = curves(
        pd.DataFrame({"series": "a", "x": x, "value": [0.1, 0.2]}), x="layer", y="share"
    ).to_dict()
    axes = [
        part["encoding"]["x"]["axis"]
        for part in spec["layer"]
        if "axis" in part["encoding"].get("x", {})
    ]
    assert axes
    assert all(axis.get("values") == ticks for axis in axes)
    assert all(("format" in axis) == float(x[0]).is_integer() for axis in axes)
