"""The study in its tiny preset: closed forms, and codes of a network that was never trained."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("sdr-dendrites", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_every_kind_of_case_is_there_and_uniform_codes_follow_the_closed_form(folder):
    grid = pd.read_parquet(folder / "tables" / "grid.parquet")
    assert set(grid["kind"]) == {"false match", "union", "miss"}
    assert len(grid) > 100
    assert grid["inside"].mean() > 0.8
    real = pd.read_parquet(folder / "tables" / "real.parquet").set_index("θ")
    likely = real[real["closed form"] > 0.01]
    assert len(likely)
    assert likely["uniform / closed form"].between(0.8, 1.25).all()
