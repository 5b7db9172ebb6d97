"""The study in its tiny preset: waves appear where there is a group, and nowhere else."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("max-margin-features", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_training_makes_waves_and_a_margin(folder):
    margin = pd.read_parquet(folder / "tables" / "margin.parquet").set_index("condition")["value"]
    assert margin["untrained"] < 0 < 0.5 < margin["λ = 0.0001"] <= 1
    largest = pd.read_parquet(folder / "tables" / "largest.parquet").set_index("condition")["value"]
    assert largest["λ = 0.0001"] > 0.2 + max(largest["untrained"], largest["random table"])
