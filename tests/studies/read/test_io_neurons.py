"""The study in its tiny preset: planted classes are counted right, and chance has none."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("io-neurons", "tiny", out=tmp_path_factory.mktemp("run") / "r")


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_planted_classes_are_recovered_and_permuted_ones_are_not(claims):
    assert claims["planted"]["value"] == 1.0
    assert "exchanged for another's 0." in claims["planted"]["why"]


def test_pairs_align_beyond_chance_and_those_of_an_untrained_copy_do_not(claims):
    assert claims["aligned"]["value"] > 192 > 2 > claims["aligned"]["beside"][0]["value"]


def test_the_planted_order_by_depth_shows(folder, claims):
    assert claims["depth"]["value"] > 0.3
    shares = (
        pd.read_parquet(folder / "tables" / "classes.parquet")
        .groupby(["class", "layer"])["value"]
        .first()
    )
    assert shares["enrichment"][0] > 0.2 > 0.01 > shares["enrichment"][3]
    assert shares["depletion"][3] > 0.2 > 0.01 > shares["depletion"][0]


def test_every_number_has_what_it_is_compared_with(folder, claims):
    record = json.loads((folder / "run.json").read_text())
    assert {s["name"] for s in record["sections"] if s["kind"] == "figure"} == {
        "classes",
        "cosines",
    }
    assert "write along what they read" in record["answer"]
