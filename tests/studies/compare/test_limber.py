"""The study in its tiny preset: a toy language model of captions, and few steps."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from inscape.worlds.captioned_scenes import COLOURS, SHAPES, SIZES
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("limber", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_only_the_maps_are_trained_and_all_have_one_size(folder):
    costs = pd.read_parquet(folder / "tables" / "maps-costs.parquet")
    assert (costs["trained"] == 64 * 32 + 32).all()
    assert len(costs) == 5


def test_blind_captions_are_all_the_same_and_captions_keep_their_form(folder):
    said = pd.read_parquet(folder / "tables" / "said.parquet")
    assert said.loc[said["map"] == "blind", "said"].nunique() == 1
    words = said["said"].str.split(expand=True)
    for place, known in enumerate((SIZES, COLOURS, SHAPES)):
        assert words[place].isin(list(known)).all()
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    named = pd.read_parquet(folder / "tables" / "named.parquet").set_index("condition")["value"]
    assert claims["blind"]["value"] == pytest.approx(named["supervised"] - named["blind"])
