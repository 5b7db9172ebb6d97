"""The study in its tiny preset: every layer of both kinds of network, trained and not."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("word-class-emergence", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_every_layer_is_looked_at(folder):
    frame = pd.read_parquet(folder / "tables" / "layers.parquet")
    assert len(frame) == 2 * 2 * 3
    assert frame["GDV"].between(-1, 0.1).all()
    embedding = frame[frame["layer"] == "embedding"]
    # the embedding of the last word clusters by that word's class if by any
    assert (frame["probe"] > 1 / 9).mean() > 0.8
    assert len(embedding) == 4
