"""The study in its tiny preset: trained networks follow the equations, and learn in their order."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.learn import linear_time
from inscape.studies.learn.deep_linear_jepa import LAM, PRESETS, RHO
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("deep-linear-jepa", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_times_are_those_of_the_equations(folder):
    found = pd.read_parquet(folder / "tables" / "order.parquet")
    start = PRESETS["tiny"].start
    for row in found.itertuples():
        half = linear_time(0.5, LAM, RHO, row.layers, latent=row.target == "JEPA", start=start)
        assert row.value == pytest.approx(half[0] / half[1], rel=0.05)


def test_a_slow_target_and_an_unbalanced_start_keep_the_order(folder):
    found = pd.read_parquet(folder / "tables" / "controls.parquet").set_index("condition")["value"]
    assert (found.drop("MAE") > 1).all()
    assert found["MAE"] < 1
