"""The study in its tiny preset: a small network that must put words together at their second
piece.
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("inner-lexicon", "tiny", out=tmp_path_factory.mktemp("run") / "r")


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


def test_words_are_told_from_pairs_of_the_same_pieces(claims):
    assert claims["words"]["value"] > 0.7
    assert claims["words"]["value"] > claims["words"]["null"]["high"]
    assert claims["above-embedding"]["value"] > 0.1


def test_the_embedding_says_nothing_and_the_unembedding_finds_the_word_later(folder):
    rows = pd.read_parquet(folder / "tables" / "retrieval.parquet")
    lens = rows[rows["series"] == "logit lens"].set_index("layer")["value"]
    assert lens[-1] == 0
    assert lens.max() > 0.2
    updates = pd.read_parquet(folder / "tables" / "updates.parquet")
    assert set(updates["series"]) == {"attention", "MLP"}


def test_the_figures_are_there(folder):
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert figures == {"words", "retrieval", "cut", "updates", "put-back"}


def test_all_pieces_say_most_of_what_follows(folder):
    loss = pd.read_parquet(folder / "tables" / "put-back.parquet").set_index("input")["value"]
    assert loss["all pieces"] < loss["another word's"]
    assert loss["all pieces"] < loss["mean of the pieces"]


def test_the_toy_network_is_not_asked_about_other_texts(tmp_path):
    with pytest.raises(StudyError, match="give both --model and --data"):
        run_study("inner-lexicon", "tiny", out=tmp_path / "r", data="reviews")
