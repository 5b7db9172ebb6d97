"""The study in its tiny preset: an early deficit costs a deep pathway more than a late one."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("linear-critical-periods", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_a_deficit_leaves_nothing_and_depth_keeps_it_so(folder):
    frame = pd.read_parquet(folder / "tables" / "pathways.parquet")
    share = frame.pivot(index="layers", columns="deficit", values="share")
    before = frame.pivot(index="layers", columns="deficit", values="share before the last phase")
    assert (before["early"] < 0.05).all()  # nothing was learnt while the view was blank
    assert share["early"][1] > before["early"][1] + 0.2
    assert share["early"][3] < share["late"][3] - 0.1
    assert abs(share["none"][1] - 0.5) < 0.01
    heard = frame.pivot(index="layers", columns="deficit", values="explained without view a")
    assert heard["early"][3] < heard["late"][3] - 0.1


def test_the_equation_of_the_right_depth_fits_better(folder):
    frame = pd.read_parquet(folder / "tables" / "equation.parquet")
    assert (frame["equation"] < 0.05).all()
    assert (frame["of one layer more"] > 3 * frame["equation"]).all()


def test_networks_fit_what_they_see(folder):
    frame = pd.read_parquet(folder / "tables" / "seen.parquet")
    assert (frame["value"] < 0.5).all()
