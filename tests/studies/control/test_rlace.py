"""The study in its tiny preset: one direction is enough, null-space projection needs more, a perceptron reads on."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.studies.control.rlace import Config
from inscape.study.runner import run_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("rlace", "tiny", out=tmp_path_factory.mktemp("run") / "r")


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


@pytest.fixture(scope="module")
def accuracy(folder):
    return pd.read_parquet(folder / "tables" / "accuracy.parquet").set_index("erased by")


def test_one_direction_is_enough_and_it_is_not_any(claims):
    assert claims["can"]["value"] > 0.35
    assert claims["erased"]["value"] < 0.04
    assert claims["random"]["value"] > 0.9 > claims["random"]["null"]["mean"]
    assert abs(claims["erased"]["null"]["mean"]) < 0.06


def test_null_space_projection_takes_more(claims):
    assert claims["inlp"]["value"] >= 3
    assert claims["inlp"]["null"]["mean"] == 1


def test_what_is_left(claims, accuracy):
    assert claims["unrelated"]["value"] < 0.02
    assert accuracy.loc["R-LACE, 1", "perceptron"] > accuracy.loc["R-LACE, 1", "logistic"] + 0.05
    assert abs(accuracy.loc["R-LACE, 1", "logistic, unseen rows"] - 0.5) < 0.08
    assert accuracy.loc["nothing", "change"] == 0
    assert accuracy.loc["R-LACE, 1", "change"] < accuracy.loc["INLP, 6", "change"]
    assert (
        accuracy.loc["nothing", "neighbours kept"] == 1 > accuracy.loc["INLP, 6", "neighbours kept"]
    )


def test_refusals():
    with pytest.raises(ValueError, match="ranks must hold at least one entry"):
        Config(ranks=())
    with pytest.raises(ValueError, match="features must read MODEL@SITE"):
        Config(features=("minilm-l6",))
