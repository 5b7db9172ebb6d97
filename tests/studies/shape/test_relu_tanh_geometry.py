"""The study in its tiny preset: a short training already moves Tanh towards the targets."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("relu-tanh-geometry", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_training_moves_tanh_towards_the_targets(folder):
    frame = pd.read_parquet(folder / "tables" / "geometry.parquet")
    target = frame.pivot(index="Δ", columns="activation", values="target alignment")
    assert (target["Tanh"] > target["untrained"] + 0.05).all()
    # an untrained layer is near the inputs' geometry, which at Δ = 2 is that of the labels
    assert target.loc[2.0, "untrained"] > target.loc[0.5, "untrained"] + 0.3
