"""The study in its tiny preset: the embedding's theorems hold for any measures."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("lcot", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_embedding_is_nearer_to_exact_transport_than_the_line(folder):
    found = pd.read_parquet(folder / "tables" / "rank.parquet").set_index("condition")["value"]
    assert found["LCOT"] > 0.85
    assert found["LCOT"] > found["line"] + 0.1
