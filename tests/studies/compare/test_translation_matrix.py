"""The study in its tiny preset: small made languages, and two views of planted factors as
networks.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("translation-matrix", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_a_map_translates_and_the_baselines_are_at_chance(folder):
    found = pd.read_parquet(folder / "tables" / "languages.parquet").set_index("condition")["value"]
    assert found["linear map"] > found[["frequency rank", "no map"]].max() + 0.1
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert claims["world"]["null"]["mean"] == pytest.approx(5 / 300, abs=0.03)
    curve = pd.read_parquet(folder / "tables" / "by-pairs.parquet")
    own = curve[curve["condition"] == "linear map"].sort_values("log10 of the pairs")["value"]
    assert own.iloc[-1] > own.iloc[0]
