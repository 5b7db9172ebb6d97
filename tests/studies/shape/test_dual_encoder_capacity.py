"""The study in its tiny preset: projections against their bound, and every way to retrieve."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("dual-encoder-capacity", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_misranking_falls_with_dimensions_and_rises_with_length(folder):
    frame = pd.read_parquet(folder / "tables" / "misranked.parquet")
    wide = frame.pivot(index="words", columns="dimensions", values="misranked")
    assert (wide[16] > wide[128]).all()
    assert wide.loc[400, 128] > wide.loc[50, 128]


def test_every_way_is_scored(folder):
    for parts in (8, 4):
        frame = pd.read_parquet(folder / "tables" / f"recall-{parts}.parquet")
        recall = frame.set_index("condition")["value"]
        assert len(recall) == 7
        assert recall["BM25"] > 0.5
