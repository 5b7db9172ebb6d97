"""The study in its tiny preset: even a short training on ten digits keeps them."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("latent-vector-field", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_few_digits_are_remembered_more_than_many(folder):
    frame = pd.read_parquet(folder / "tables" / "attractors.parquet").set_index("training set")
    ends = frame["ends at a training digit"]
    assert ends["10 digits"] > ends["400 digits"] + 0.2
    assert ends["untrained"] < 0.1
