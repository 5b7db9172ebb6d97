"""The study in its tiny preset: maps, skips and fields of both kinds of network."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("vit-vs-cnn", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_a_first_block_of_attention_sees_farther_than_three_convolutions_can(folder):
    fields = pd.read_parquet(folder / "tables" / "fields.parquet").set_index("condition")["value"]
    assert fields["residual network"] < 3 * 2**0.5
    assert fields["transformer"] > 0
    attention = pd.read_parquet(folder / "tables" / "attention.parquet")
    assert len(attention) == 6 * 4
    assert attention["pixels"].between(0, 28).all()


def test_the_field_is_judged_on_the_lesser_difference_and_what_training_adds_is_shown(folder):
    after, before, grown = pd.read_parquet(folder / "tables" / "field-differences.parquet")["value"]
    assert grown == pytest.approx(after - before)
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert claims["field"]["value"] == pytest.approx(min(after, before))
    assert claims["field"]["sanity"]
