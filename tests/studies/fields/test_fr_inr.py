"""The study in its tiny preset: networks are folded, and kinds are compared at rates of their
own.
"""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.studies.fields.fr_inr import CYCLES, FOURIER, PLAIN, RANDOM
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("fr-inr", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_kinds_are_equal_once_folded_and_unequal_while_trained(folder):
    costs = pd.read_parquet(folder / "tables" / "sines-costs.parquet").set_index("arm")
    assert costs["parameters"].nunique() == 1
    assert costs.loc[FOURIER, "trained"] == costs.loc[RANDOM, "trained"]
    assert costs.loc[FOURIER, "trained"] > costs.loc[PLAIN, "trained"]


def test_the_lowest_frequency_is_learnt_first(folder):
    watched = pd.read_parquet(folder / "tables" / "sines-watched.parquet")
    assert set(watched["name"]) == {f"{k} cycles" for k in CYCLES}
    last = watched[watched["step"] == watched["step"].max()].groupby("name")["value"].mean()
    assert last["3 cycles"] < last["9 cycles"] - 0.03 < 0.97
    psnr = pd.read_parquet(folder / "tables" / "pictures-psnr.parquet").set_index("condition")
    assert psnr.loc[FOURIER, "value"] > psnr.loc["untrained", "value"]
