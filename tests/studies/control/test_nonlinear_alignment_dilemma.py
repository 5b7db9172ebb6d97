"""The study in its tiny preset: a flow finds in random weights what a rotation does not."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from inscape.study.runner import run_study
from inscape.worlds.hierarchical_equality import Slots, hierarchical_equality, variables
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    return run_study("nonlinear-alignment-dilemma", "tiny", out=path)


def test_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_a_flow_finds_the_variable_of_symbols_in_random_weights_and_a_rotation_does_not(folder):
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    flow, turn = claims["flow-symbols"]["value"], claims["rotation-symbols"]["value"]
    # how near the flow comes differs with the processor, on so few steps
    assert flow > turn + 0.1
    assert flow + claims["gap-symbols"]["value"] > 0.9  # the flow on the trained network
    assert claims["flow-symbols"]["beside"][0]["value"] < 0.65


def test_swapping_with_oneself_changes_nothing_and_other_maps_do_not_undo(folder):
    maps = pd.read_parquet(folder / "tables" / "maps.parquet")
    assert (maps["no-op"] > 0.995).all()
    assert len(maps) == 24
    assert set(maps["slots"]) == {"vectors", "symbols"}
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert claims["bijection"]["beside"][0]["value"] > 0.01


@pytest.mark.parametrize("slots", [Slots("vectors", 4), Slots("symbols", 5)])
def test_cases_are_what_they_say(slots):
    x = slots.draw(4000, np.random.default_rng(0))
    assert x.shape == (4000, 4, slots.size)
    truth = variables(x)
    assert np.abs(truth.mean(axis=0) - 0.5).max() < 0.03
    assert abs(np.corrcoef(truth.T)[0, 1]) < 0.05
    equal = np.abs(x[:, 2] - x[:, 3]).max(axis=1) == 0
    assert (equal == truth[:, 1]).all()
    # vectors are all new; of symbols there are few
    assert len(np.unique(x[:, 0], axis=0)) == (4000 if slots.kind == "vectors" else 5)


def test_the_network_learns_and_its_twin_has_not():
    world = hierarchical_equality(Slots("symbols", 3), width=16, layers=2, steps=600)
    assert world.accuracy > 0.99
    again = hierarchical_equality(Slots("symbols", 3), width=16, layers=2, steps=0)
    assert 0.2 < again.accuracy < 0.8


@pytest.mark.parametrize("name", ["symbols", "layers", "seeds", "steps", "variable"])
def test_refusals(name):
    from inscape.studies.control.nonlinear_alignment_dilemma import Config

    with pytest.raises(ValueError, match=f"{name} must be at least"):
        Config(**{name: 0})
