"""The study in its tiny preset: three widths of language models after a few steps."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("brainlm", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_words_are_found_by_chance_where_nothing_is_shared(folder):
    chance = 10 / 50
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert claims["other"]["value"] == pytest.approx(chance, abs=0.1)
    assert claims["words"]["null"]["mean"] == pytest.approx(chance, abs=0.1)
    found = pd.read_parquet(folder / "tables" / "by-width.parquet")
    wide = found[found["log2 of the width"] == 6].set_index("condition")["value"]
    assert wide["trained"] > 2 * chance
    assert wide["other meanings"] < wide["trained"] - 0.15
