"""Points: what is drawn and what is in a legend, panels with horizontal scales of their own."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.charts.points import points
from tests.charts.drawing import rows, texts

FRAME = pd.DataFrame(
    {
        "x": [1.0, 2.0, 30.0, 40.0],
        "value": [0.5, 0.6, 0.5, 0.6],
        "series": ["one", "two", "one", "two"],
        "name": ["a", "b", "a", "b"],
        "panel": ["rank", "rank", "width", "width"],
    }
)


def test_panels_have_horizontal_scales_of_their_own_and_series_stand_in_the_legend():
    chart = points(FRAME, x="value of the measure", y="accuracy")
    assert chart.to_dict()["resolve"]["scale"]["x"] == "independent"
    assert rows(chart) == FRAME.to_dict("records")
    drawn = texts(chart)
    assert {"one", "two", "rank", "width", "accuracy", "value of the measure"} <= set(drawn)
    assert "40" in drawn
    assert "1.0" in drawn or "1" in drawn


def test_one_panel_without_series():
    chart = points(FRAME[["x", "value"]], x="rank", y="accuracy", zero=True)
    encoding = chart.to_dict()["layer"][0]["encoding"]
    assert "color" not in encoding
    assert encoding["y"]["scale"]["zero"]
    assert "one" not in texts(chart)


def test_what_is_refused():
    with pytest.raises(ValueError, match="points: the frame has no column value"):
        points(FRAME.drop(columns="value"), x="x", y="y")
    with pytest.raises(ValueError, match="no rows"):
        points(FRAME.iloc[:0], x="x", y="y")
