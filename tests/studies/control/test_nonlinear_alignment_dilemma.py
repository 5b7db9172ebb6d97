"""The study in its tiny preset: a flow finds in random weights what a rotation does not."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from inscape.study.runner import run_study
from inscape.worlds.hierarchical_equality import cases, hierarchical_equality, variables


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    return run_study("nonlinear-alignment-dilemma", "tiny", out=path)


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_a_flow_finds_the_variable_in_random_weights_and_a_rotation_does_not(claims):
    assert claims["flow"]["value"] > 0.9
    assert claims["rotation"]["value"] < claims["flow"]["value"] - 0.2
    assert claims["gap"]["value"] < 0.15 < claims["flow"]["value"] - claims["rotation"]["value"]
    assert claims["flow"]["null"]["mean"] < 0.65


def test_a_flow_is_a_bijection_and_swapping_with_oneself_changes_nothing(folder, claims):
    assert claims["bijection"]["passed"]
    assert claims["bijection"]["null"]["low"] > 0.01
    maps = pd.read_parquet(folder / "tables" / "maps.parquet")
    assert (maps["no-op"] > 0.995).all()
    assert len(maps) == 12


def test_the_world_is_what_it_says():
    x = cases(4000, 5, np.random.default_rng(0))
    truth = variables(x)
    assert np.abs(truth.mean(axis=0) - 0.5).max() < 0.03
    assert abs(np.corrcoef(truth.T)[0, 1]) < 0.05
    world = hierarchical_equality(symbols=3, width=16, layers=2, steps=600)
    assert world.accuracy > 0.99
    again = hierarchical_equality(symbols=3, width=16, layers=2, steps=0)
    assert 0.2 < again.accuracy < 0.8  # the twin has not learnt it


@pytest.mark.parametrize("name", ["symbols", "layers", "seeds", "steps", "variable"])
def test_refusals(name):
    from inscape.studies.control.nonlinear_alignment_dilemma import Config

    with pytest.raises(ValueError, match=f"{name} must be at least"):
        Config(**{name: 0})
