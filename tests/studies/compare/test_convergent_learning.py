"""The study in its tiny preset: copies are recovered, whatever the networks learnt."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("convergent-learning", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_a_rotation_keeps_the_space_and_not_the_units(folder):
    copies = pd.read_parquet(folder / "tables" / "copies.parquet").set_index("condition")["value"]
    assert copies["linear map"] > copies["matched units"] + 0.05
    few = pd.read_parquet(folder / "tables" / "few-to-one.parquet")
    first = few[few["panel"] == "layer 1"].groupby("series")
    for _, curve in first:
        assert curve["x"].is_monotonic_increasing
        assert curve["value"].iloc[-1] >= curve["value"].iloc[0]
    clusters = pd.read_parquet(folder / "tables" / "clusters.parquet")
    assert clusters["share"].between(0, 1).all()
    # two clusters of two networks: one at least holds units of both
    assert (clusters.loc[clusters["layer"] == 1, "share"] > 0).any()


def test_units_without_a_partner_are_compared_with_untrained_networks(folder):
    alone = pd.read_parquet(folder / "tables" / "alone.parquet").set_index("condition")["value"]
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert claims["alone"]["sanity"]
    assert claims["alone"]["value"] == alone["trained"]
    assert claims["partners"]["value"] == pytest.approx(alone["untrained"] - alone["trained"])
