"""The study in its tiny preset: each kind of swap works on the store made for it and not on the other."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.studies.control.onion_representations import Config
from inscape.study.runner import run_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("onion-representations", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_magnitudes_where_they_are_and_subspaces_where_they_are(folder):
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert claims["task"]["value"] > 0.99
    assert claims["onion"]["value"] > 0.8 > claims["onion"]["null"]["mean"] + 0.5
    assert claims["linear"]["value"] < 0.4
    assert claims["constant"]["value"] < 0.5
    assert claims["large"]["value"] > 0.95


def test_the_onion_finds_the_magnitudes(folder):
    stores = pd.read_parquet(folder / "tables" / "stores.parquet").set_index("store")
    assert (
        stores.loc["onion by hand", "onion"]
        > stores.loc["onion by hand", "onion, one magnitude"] + 0.3
    )
    probes = pd.read_parquet(folder / "tables" / "probes.parquet")
    last = probes[probes["x"] == 4].set_index("series")["value"]
    assert last["linear, slots by hand"] > 0.95 > last["linear, onion by hand"] + 0.3


def test_refusals():
    with pytest.raises(ValueError, match="must be as many as each other"):
        Config(sizes=(4,))
    with pytest.raises(ValueError, match="shortest must be 1 to longest"):
        Config(shortest=9)
