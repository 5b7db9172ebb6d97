"""The study in its tiny preset: a toy world's relations, inverted, classify and steer; shuffled and
random ones do not.
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
    return run_study("linear-relational-concepts", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


def test_shuffled_objects_are_classified_at_chance(folder):
    scores = pd.read_parquet(folder / "tables" / "accuracy.parquet")
    mean = scores[scores["relation"] == "mean of all"].set_index(["prompt", "condition"])
    own = mean.loc[("question alone", "inverted relation")]
    assert own["low"] > 0.7
    assert own["null_high"] < 0.4
    # nothing stands before the toy's questions, so both prompts are the same
    assert own["value"] == mean.loc[("with answered questions", "inverted relation"), "value"]


def test_edits_bring_the_new_object_and_random_ones_do_not(folder):
    edits = pd.read_parquet(folder / "tables" / "edits.parquet")
    best = edits[edits["chosen"]].groupby("series")[["value", "says"]].mean()
    assert best.loc["inverted relation", "value"] > 0.6
    assert best.loc["random directions", "value"] < 0.3
    assert (edits["says"] <= edits["value"] + 1e-9).all()
    steered = pd.read_parquet(folder / "tables" / "steered.parquet")
    assert set(steered["directions"]) == {
        "inverted relation",
        "linear SVM",
        "mean difference",
        "random directions",
    }


def test_the_figures_are_there(folder):
    record = json.loads((folder / "run.json").read_text())
    assert {s["name"] for s in record["sections"] if s["kind"] == "figure"} == {"accuracy", "edits"}


def test_what_cannot_be_run_is_said(tmp_path):
    with pytest.raises(StudyError, match="goes with no other model or data"):
        run_study("linear-relational-concepts", "tiny", out=tmp_path / "a", data="relations")
