"""The study in its tiny preset: every layer of every kind of network, and pairs against shuffled
pairs.
"""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("cat-human-alignment", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_pairs_are_nearer_than_shuffled_pairs_at_every_layer(folder):
    frame = pd.read_parquet(folder / "tables" / "layers.parquet")
    assert frame.groupby(["kind", "trained"]).size().tolist() == [8, 8, 6, 6, 6, 6]
    assert (frame["CKA"] > frame["CKA, shuffled"]).all()
    assert frame["CKA, shuffled"].abs().max() < 0.5
