"""The study in its tiny preset: a network with a logarithmic number line in its embedding."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("magnitude-effects", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_line_is_logarithmic_in_both_formats(folder):
    frame = pd.read_parquet(folder / "tables" / "effects.parquet")
    assert len(frame) == 2
    assert (frame["MDS, log"] > frame["MDS, linear"] + 0.02).all()
    assert (frame["p of distance"] < 0.05).all()
    effect = pd.read_parquet(folder / "tables" / "effect.parquet").set_index("condition")["value"]
    assert effect["nouns, most over models"] < effect["numbers, least over models"] - 0.3
