"""The study in its tiny preset: within forty steps the entropy already tells the arms apart."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.studies.learn.vne import ALONE, ENTROPY, Config
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("vne", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_ranks_part_while_the_networks_train(folder):
    watched = pd.read_parquet(folder / "tables" / "views-watched.parquet")
    rank = watched.pivot(index="step", columns="arm", values="value")
    assert rank.loc[0, ALONE] == rank.loc[0, ENTROPY]
    assert rank.loc[40, ALONE] < rank.loc[0, ALONE]
    assert rank.loc[40, ENTROPY] > 1.15 * rank.loc[40, ALONE]
    assert rank.loc[10:, ENTROPY].mean() > 1.3 * rank.loc[10:, ALONE].mean()
    costs = pd.read_parquet(folder / "tables" / "views-costs.parquet")
    assert costs["parameters"].nunique() == 1
    entropy = pd.read_parquet(folder / "tables" / "entropy.parquet").set_index("condition")["value"]
    assert entropy["α = +0.1"] > entropy["α = +0"] + 0.3


def test_refusals():
    with pytest.raises(ValueError, match="strengths must rise and hold 0"):
        Config(strengths=(0.1, 0.2))
    with pytest.raises(ValueError, match="strengths must rise and hold 0"):
        Config(strengths=(0.1, 0.0))
