"""The study in its tiny preset: decay and growth already part, and the loss is beside its law."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("superposition-scaling", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_decay_leaves_more_features_out_than_growth(folder):
    frame = pd.read_parquet(folder / "tables" / "networks.parquet")
    wide = frame.pivot(index=["α", "width"], columns="regime")
    left = wide["left out"]
    assert (left["decay, γ = 1"] > left["growth, γ = −1"]).all()
    np.testing.assert_allclose(wide["predicted loss"], 4 / 3 * left)
    # both have learnt: what an untrained network gives has a larger error
    assert (
        (wide["loss"].drop(columns="untrained").lt(wide["loss"]["untrained"], axis=0)).all().all()
    )


def test_random_directions_overlap_as_one_over_the_width(folder):
    frame = pd.read_parquet(folder / "tables" / "networks.parquet")
    plain = frame[frame["regime"] == "untrained"]
    np.testing.assert_allclose(plain["overlap"] * plain["width"], 1, atol=0.1)
    rows = pd.read_parquet(folder / "tables" / "unembedding.parquet").set_index("rows")
    assert rows.loc["Gaussian rows", "overlap × width"] == pytest.approx(1, abs=0.1)
    assert rows.loc["trained", "overlap × width"] > 1.5
