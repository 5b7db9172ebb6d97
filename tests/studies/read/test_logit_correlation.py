"""The study in its tiny preset: in a toy world whose ties are known, linked questions are tied and
others are not.
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
    return run_study("logit-correlation", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


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


def test_the_figures_are_there(folder):
    record = json.loads((folder / "run.json").read_text())
    assert {s["name"] for s in record["sections"] if s["kind"] == "figure"} >= {"pairs"}


def test_the_toy_goes_with_itself_only(tmp_path):
    with pytest.raises(StudyError, match="goes with no other model or data"):
        run_study("logit-correlation", "tiny", out=tmp_path / "a", data="linked-questions")
