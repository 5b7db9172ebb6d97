"""The study in its tiny preset: an encoder that loses words with depth shows what a mix of layers
is good for.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import DataError, StudyError
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("bermo-layer-mix", "tiny", out=path)


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_mix_reads_what_the_last_layer_has_lost(folder, claims):
    assert claims["above-last"]["low"] > 0
    assert abs(claims["above-last"]["null"]["mean"]) < 0.15
    scores = pd.read_parquet(folder / "tables" / "scores.parquet")
    mean = scores.groupby("reading")["value"].mean()
    assert mean["scalar mix"] > mean["last layer"]
    assert claims["parameters"]["value"] == 5


def test_fine_tuning_is_recorded_for_both_heads(folder):
    tuned = pd.read_parquet(folder / "tables" / "tuned.parquet")
    assert set(tuned["head"]) == {"last layer", "scalar mix"}
    assert {"steps to half the loss", "accuracy, 0% pruned", "accuracy, 80% pruned"} <= set(
        tuned["name"]
    )


def test_every_number_has_what_it_is_compared_with(folder, claims):
    assert set(claims) == {"above-last", "near-best", "parameters", "shuffled", "where"}
    for id in ("above-last", "near-best"):
        assert claims[id]["null"] is not None, id
        assert claims[id]["low"] is not None, id
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert figures == {"tasks", "layers", "mix", "loss", "gradient"}


def test_settings_and_data_that_cannot_be_asked_are_refused(tmp_path):
    with pytest.raises(StudyError, match="folds must be at least 2, got 1"):
        run_study("bermo-layer-mix", "tiny", out=tmp_path / "a", settings={"folds": "1"})
    with pytest.raises(DataError, match="There is no task 'spelling'"):
        run_study("bermo-layer-mix", "tiny", out=tmp_path / "b", settings={"tasks": "spelling"})
    with pytest.raises(StudyError, match="give both --model and --data"):
        run_study("bermo-layer-mix", "tiny", out=tmp_path / "c", data="cities")
