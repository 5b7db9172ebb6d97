"""The study in its tiny preset: the identity holds, both forms are timed, every arm is trained."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.nets.taylor_shift import switch_length
from inscape.studies.nets.taylorshift import SORTED, TAYLOR, _crossing
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("taylorshift", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_work_and_memory_cross_where_they_should(folder):
    speed = pd.read_parquet(folder / "tables" / "speed.parquet")
    for d, own in speed.groupby("d"):
        flops = own.pivot(index="tokens", columns="form", values="flops")
        fewer = flops.index[flops["efficient"] < flops["direct"]]
        assert switch_length(d) / 2 < fewer[0] < 2 * switch_length(d)
        size = own.pivot(index="tokens", columns="form", values="bytes")
        assert size["efficient"].iloc[0] > size["direct"].iloc[0]
        assert size["efficient"].iloc[-1] < size["direct"].iloc[-1]


def test_arms_have_as_many_parameters_and_learn_something(folder):
    costs = pd.read_parquet(folder / "tables" / "pixels-costs.parquet").set_index("arm")
    assert costs["parameters"].max() < 1.01 * costs["parameters"].min()
    shown = pd.read_parquet(folder / "tables" / "accuracy.parquet").set_index("condition")["value"]
    assert shown[TAYLOR] > shown["untrained"] + 0.02
    assert SORTED in shown.index


def test_the_crossing_is_interpolated_and_kept_inside_the_grid():
    lengths = [8, 16, 32, 64]
    assert np.exp(_crossing(lengths, np.array([-1.0, -1, 1, 2]))) == pytest.approx(16 * 2**0.5)
    # a late dip counts, since it must be faster for good
    assert np.exp(_crossing(lengths, np.array([1.0, 1, -1, 1]))) == pytest.approx(32 * 2**0.5)
    assert np.exp(_crossing(lengths, np.array([1.0, 1, 1, 1]))) == pytest.approx(8)
    assert np.exp(_crossing(lengths, np.array([-1.0, -1, -1, -1]))) == pytest.approx(64)
