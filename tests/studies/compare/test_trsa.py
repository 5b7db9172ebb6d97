"""The study in its tiny preset: warped manifolds are told apart by neighbourhoods, whatever the
networks learnt.
"""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("trsa", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_thresholds_below_each_other_are_not_tried_and_geometry_is_one_of_them(folder):
    grid = pd.read_parquet(folder / "tables" / "thresholds-layers.parquet")
    low, high = (grid[c].str[4:].astype(float) for c in ("row", "column"))
    assert (low <= high).all()
    assert len(grid) == 5 * 6 // 2 + 4
    assert ((low == 0) & (high == 1)).sum() == 1
