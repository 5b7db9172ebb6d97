"""The study in its tiny preset: every network is named by texts, and captions lead back."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("text-to-concept", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_every_network_is_scored(folder):
    named = pd.read_parquet(folder / "tables" / "named.parquet").set_index("condition")["value"]
    assert len(named) == 5
    assert abs(named["permuted pairs"]) < 0.15
    retrieval = pd.read_parquet(folder / "tables" / "retrieval.parquet").set_index("condition")
    assert 1 / 60 < retrieval.loc["base rate", "value"] < 1 / 10
    back = pd.read_parquet(folder / "tables" / "back.parquet")
    assert back["attributes of the nearest caption"].between(0.05, 1).all()


def test_retrieval_is_judged_against_random_weights(folder):
    found = pd.read_parquet(folder / "tables" / "retrieval.parquet").set_index("condition")["value"]
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    base = found["base rate"]
    assert claims["retrieval"]["sanity"]
    assert claims["retrieval"]["value"] == pytest.approx(found["names factors"] / base)
    gain = (found["names factors"] - found["untrained"]) / base
    assert claims["gain"]["value"] == pytest.approx(gain)
