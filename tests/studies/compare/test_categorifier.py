"""The study in its tiny preset: five small chemistries, two anchors or five."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("categorifier", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_elements_are_translated_and_rewired_ones_are_not(folder):
    found = pd.read_parquet(folder / "tables" / "by-anchors.parquet")
    own = found[found["known pairs"] == 5].set_index("condition")["value"]
    assert own["functor"] > 0.3
    assert own["functor into rewired bonds"] < 0.5 * own["functor"]
    assert own["functor"] > own["anchors alone"]
