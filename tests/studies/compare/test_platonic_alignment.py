"""The study in its tiny preset: representations that share factors, more or less strongly."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("platonic-alignment", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_alignment_has_the_order_of_what_is_shared(folder):
    found = pd.read_parquet(folder / "tables" / "alignment.parquet").set_index("condition")["value"]
    order = ["untrained", "character trigrams", "language model", "text encoder"]
    assert found[order].is_monotonic_increasing
    assert found["untrained"] == pytest.approx(10 / 399, abs=0.02)
    within = found["encoder, within clusters"]
    assert found["untrained"] < within < found["text encoder"]


def test_accuracy_and_alignment_are_watched_at_eleven_points(folder):
    watched = pd.read_parquet(folder / "tables" / "training-watched.parquet")
    assert watched.groupby(["pair", "name"]).size().unique().tolist() == [11]
