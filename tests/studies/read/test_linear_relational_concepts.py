"""The study in its tiny preset: a toy world's relations, inverted, classify and steer; shuffled and random ones do not."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("linear-relational-concepts", "tiny", out=tmp_path_factory.mktemp("run") / "r")


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_inverted_relations_classify_and_shuffled_ones_do_not(claims):
    assert claims["accuracy"]["passed"]
    assert claims["accuracy"]["low"] > 0.25 > 0.15 > claims["accuracy"]["null"]["mean"]
    assert claims["shuffled"]["value"] < 0.2  # two dozen subjects: chance itself moves by a tenth


def test_edits_bring_the_new_object_and_random_ones_do_not(folder, claims):
    edits = pd.read_parquet(folder / "tables" / "edits.parquet")
    best = edits[edits["chosen"]].groupby("series")["value"].mean()
    assert best["inverted relation"] > 0.6
    assert best["random directions"] < 0.3
    assert claims["steers"]["null"]["high"] <= 0.5


def test_every_number_has_what_it_is_compared_with(folder, claims):
    for claim in claims.values():
        assert claim["null"] is not None, claim["id"]
        assert claim["low"] is not None, claim["id"]
    record = json.loads((folder / "run.json").read_text())
    assert {s["name"] for s in record["sections"] if s["kind"] == "figure"} == {"accuracy", "edits"}


def test_what_cannot_be_run_is_said(tmp_path):
    with pytest.raises(StudyError, match="goes with no other model or data"):
        run_study("linear-relational-concepts", "tiny", out=tmp_path / "a", data="relations")
