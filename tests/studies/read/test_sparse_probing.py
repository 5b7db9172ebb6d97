"""The study in its tiny preset: planted neurons are found, and nothing is found where nothing was
planted.
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
        return run_study("sparse-probing", "tiny", out=path)


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_languages_with_a_neuron_are_told_by_it_and_the_others_are_not(folder, claims):
    assert claims["neurons"]["value"] == 3
    assert claims["neurons"]["null"]["mean"] < 0.5
    found = pd.read_parquet(folder / "tables" / "single.parquet").set_index("feature")
    assert found.loc[["one", "two", "three"], "value"].min() > 0.95
    assert found.loc[["one", "two", "three"], "neuron"].tolist() == [7, 30, 55]
    assert found.loc[["four", "five"], "value"].max() < 0.8
    assert found["random neuron, median"].max() < 0.62
    assert found.loc[["one", "two", "three"], "null_mean"].max() < 0.6


def test_what_holding_a_neuron_costs_stands_beside_random_ones(folder):
    held = pd.read_parquet(folder / "tables" / "held.parquet")
    assert set(held["texts"]) == {"with the feature", "without"}
    assert (held["low"] <= held["value"]).all()
    assert (held["null_draws"] == 2).all()
    # planted neurons are read off and change nothing after them
    assert held[held["feature"].isin(["one", "two", "three"])]["value"].abs().max() < 1e-4


def test_every_number_has_what_it_is_compared_with(folder, claims):
    assert claims["neurons"]["null"]["draws"] == 19
    assert claims["basis"]["null"]["draws"] == 5
    for claim in claims.values():
        assert claim["low"] is not None, claim["id"]
    record = json.loads((folder / "run.json").read_text())
    assert {s["name"] for s in record["sections"] if s["kind"] == "figure"} == {"sizes", "single"}
    text = next(s["markdown"] for s in record["sections"] if s["name"] == "features")
    assert "tells one, two, three with a balanced accuracy of" in text


def test_settings_and_data_that_cannot_be_asked_are_refused(tmp_path):
    with pytest.raises(StudyError, match="goes with no other model or data: give both"):
        run_study("sparse-probing", "tiny", out=tmp_path / "r", data="cities")
    with pytest.raises(StudyError, match="sizes must hold 1 and 16"):
        run_study("sparse-probing", "tiny", out=tmp_path / "b", settings={"sizes": "1,2"})
    with pytest.raises(StudyError, match="folds must be at least 2, got 1"):
        run_study("sparse-probing", "tiny", out=tmp_path / "c", settings={"folds": "1"})
    with pytest.raises(DataError, match="has no column 'feature' nor 'value'"):
        run_study("sparse-probing", "small", out=tmp_path / "d", data="cities")
