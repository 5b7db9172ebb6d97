"""The study in its tiny preset: in a toy world whose ties are known, linked questions are tied and others are not."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("logit-correlation", "tiny", out=tmp_path_factory.mktemp("run") / "r")


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_linked_questions_are_tied_and_others_are_not(claims):
    assert claims["linked"]["value"] > 0.5
    assert claims["linked"]["null"]["high"] < 0.3
    assert claims["above-apart"]["passed"]


def test_rows_peak_at_the_country_of_their_city(claims):
    assert claims["precise"]["value"] > 0.6
    assert claims["precise"]["value"] > claims["imprecise"]["value"] + 0.2


def test_random_tokens_are_a_condition_and_what_is_taught_is_learnt(folder):
    pairs = pd.read_parquet(folder / "tables" / "pairs.parquet")
    assert set(pairs["condition"]) >= {
        "linked",
        "not linked",
        "subjects shuffled",
        "without first component",
        "random tokens",
    }
    assert pd.read_parquet(folder / "tables" / "taught.parquet")["learnt"].mean() > 0.5


def test_every_number_has_what_it_is_compared_with(folder, claims):
    for claim in claims.values():
        assert claim["null"] is not None, claim["id"]
        assert claim["low"] is not None, claim["id"]
    record = json.loads((folder / "run.json").read_text())
    assert "pairs" in {s["name"] for s in record["sections"] if s["kind"] == "figure"}


def test_the_toy_goes_with_itself_only(tmp_path):
    with pytest.raises(StudyError, match="goes with no other model or data"):
        run_study("logit-correlation", "tiny", out=tmp_path / "a", data="linked-questions")
