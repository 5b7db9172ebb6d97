"""Distributions by class."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.charts.distributions import by_class
from tests.charts.drawing import rows, settings, texts


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "panel": np.repeat(["before", "after"], 40),
            "class": np.tile(["up", "down"], 40),
            "value": rng.normal(size=80),
        }
    )


def test_panels_classes_and_axis_are_named_and_all_rows_are_inside():
    chart = by_class(table(), value="score (logits)")
    said = texts(chart)
    assert {"before", "after", "up", "down", "score (logits)"} <= set(said)
    assert said.index("before") < said.index("after")
    assert len(rows(chart)) == 80


def test_the_look_is_left_to_the_theme():
    found = settings(by_class(table()))
    assert not [
        p for p in found if p[0] in ("background", "font", "labelColor", "titleColor", "gridColor")
    ]


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="by_class: the frame has no column panel"):
        by_class(table().drop(columns="panel"))
