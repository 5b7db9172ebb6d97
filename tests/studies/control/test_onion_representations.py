"""The study in its tiny preset: each kind of swap works on the store made for it and not on the
other.
"""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.studies.control.onion_representations import Config
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("onion-representations", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_onion_finds_the_magnitudes(folder):
    stores = pd.read_parquet(folder / "tables" / "stores.parquet").set_index("store")
    assert (
        stores.loc["onion by hand", "onion"]
        > stores.loc["onion by hand", "onion, one magnitude"] + 0.3
    )
    assert stores.loc["onion by hand", "onion"] > 0.8
    assert stores.loc["onion by hand", "onion, positions permuted"] < 0.3
    assert stores.loc["slots by hand", "unigram subspaces"] > 0.95
    probes = pd.read_parquet(folder / "tables" / "probes.parquet")
    last = probes[probes["x"] == 4].set_index("series")["value"]
    assert last["linear, slots by hand"] > 0.95 > last["linear, onion by hand"] + 0.3


def test_refusals():
    with pytest.raises(ValueError, match="must be as many as each other"):
        Config(sizes=(4,))
    with pytest.raises(ValueError, match="shortest must be 1 to longest"):
        Config(shortest=9)
