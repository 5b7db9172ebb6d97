"""Rows inside a figure: rounded to what a screen shows, JSON only."""

import json

import numpy as np
import pandas as pd

from inscape.charts.frame import fit, inline, ordered, plain


def test_cells_become_json():
    frame = pd.DataFrame(
        {"a": [0.123456789, np.nan], "b": [np.int64(3), None], "c": ["x", None], "d": [True, False]}
    )
    values = inline("here", frame, ["a", "b"], ["c", "d", "absent"]).to_dict()["values"]
    assert values == [
        {"a": 0.12346, "b": 3.0, "c": "x", "d": True},
        {"a": None, "b": None, "c": None, "d": False},
    ]
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_large_whole_numbers_keep_every_digit():
    assert plain(np.int64(12345678)) == 12345678
    assert plain(12345678.0) == 12346000.0
    assert plain(float("inf")) is None
    assert plain(pd.NA) is None


def test_values_keep_the_order_in_which_they_come():
    assert ordered(pd.DataFrame({"s": ["b", "a", "b", None]}), "s") == ["b", "a"]


def test_a_figure_says_how_it_fits():
    assert fit(2, cell=200)["inscape"] | {"columns": 2, "cell": 200} == fit(2, cell=200)["inscape"]
