"""The study in its tiny preset: planted names know what the recipes say, to a known degree."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("sound-text-probe", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_names_that_know_the_recipes_are_better_than_those_that_do_not(folder):
    found = pd.read_parquet(folder / "tables" / "found.parquet").set_index("condition")["value"]
    assert found["recipes"] > found["untrained language model"] + 0.1
    assert found["recipes"] > found["character trigrams"] + 0.1
    things = pd.read_parquet(folder / "tables" / "things.parquet")
    assert len(things) == 64
    assert things["recipes"].mean() == pytest.approx(found["recipes"])
    spoken = pd.read_parquet(folder / "tables" / "spoken.parquet")
    assert (spoken["value"] >= 0).all()
    assert len(spoken) == 5
