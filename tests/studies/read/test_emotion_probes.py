"""The study in its tiny preset: a toy network that sums two words up to a feeling shows the claims'
direction.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("emotion-probes", "tiny", out=path)


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_feeling_is_read_where_words_alone_say_nothing(folder, claims):
    assert claims["above-words"]["low"] > 0.5
    scores = pd.read_parquet(folder / "tables" / "scores.parquet").set_index("read from")["value"]
    assert scores["trained model"] > 0.9
    assert scores[["bag of words", "token embeddings", "untrained model"]].max() < 0.4


def test_it_stays_over_empty_words_and_not_for_shuffled_labels(folder, claims):
    assert claims["persists"]["null"]["draws"] == 39
    kept = pd.read_parquet(folder / "tables" / "persistence.parquet")
    assert set(kept["tokens"]) == {0, 4, 12}
    assert kept["value"].min() > 0.3
    assert kept["null_high"].max() < 0.4


def test_every_number_has_what_it_is_compared_with(folder, claims):
    for claim in claims.values():
        assert claim["low"] is not None, claim["id"]
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert figures == {"layers", "confusion", "persistence", "systems", "centroids"}
    assert "bag of words" in record["answer"]


def test_settings_that_cannot_run_are_refused(tmp_path):
    with pytest.raises(StudyError, match="goes with no other model or data: give both"):
        run_study("emotion-probes", "tiny", out=tmp_path / "r", data="cities")
    with pytest.raises(StudyError, match="folds must be at least 2, got 1"):
        run_study("emotion-probes", "tiny", out=tmp_path / "b", settings={"folds": "1"})
    with pytest.raises(StudyError, match="distances must hold 0 and persists_at=12"):
        run_study("emotion-probes", "tiny", out=tmp_path / "c", settings={"distances": "0,4"})
