"""The choice finds the layer at which a planted sense of not knowing can be steered, on training
rows alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.outcomes.abstention import Judge
from inscape.outcomes.steering_choice import Choice, _splits, choose
from inscape.worlds.known_facts import ABSTAIN, known_facts

JUDGE = Judge((ABSTAIN,), 1, ".")


@pytest.fixture(scope="module")
def world():
    return known_facts(people=16, relations=3, answers=5, width=32, steps=200)


def test_the_best_that_was_tried_is_chosen(world):
    unknown = world.questions.frame["known"].to_numpy() == 0
    seen = []
    found = choose(
        world.model,
        JUDGE,
        world.questions,
        unknown,
        "resid_post.*",
        (0.0, 2.0),
        seed=0,
        advance=lambda: seen.append(1),
    )
    tried = found.tried.set_index(["layer", "strength"])
    assert len(tried) == 8 == 2 * len(seen)
    assert tried.loc[(found.layer, found.strength), "good"] == tried["good"].max()
    assert (
        abs(tried.loc[(found.layer, 0.0), "good"] - 0.5) < 0.05
    )  # not steered: known right, nothing abstained from
    assert tried["good"].max() > 0.6
    assert found.vector.shape == (32,)


def test_what_is_steered_shares_no_group_and_no_relation_with_v(world):
    frame = world.questions.frame
    for fit, out in _splits(world.questions, 0):
        assert len(fit)
        assert len(out)
        assert not set(frame["subject"].iloc[fit]) & set(frame["subject"].iloc[out])
        assert not set(frame["relation"].iloc[fit]) & set(frame["relation"].iloc[out])
    one = world.questions.take(np.flatnonzero(frame["relation"] == "home"))
    assert [len(fit) + len(out) for fit, out in _splits(one, 0)] == [32, 32]


def test_refusal(world):
    with pytest.raises(ValueError, match="choose: give at least one strength"):
        choose(
            world.model,
            JUDGE,
            world.questions,
            np.zeros(96, dtype=bool),
            "resid_post.*",
            (),
            seed=0,
        )


def test_the_choice_is_drawn_by_layer_at_its_strength():
    rows = [(0, 1.0, 0.6, 0.7), (1, 1.0, 0.9, 0.8), (0, 2.0, 0.1, 0.7), (1, 2.0, 0.2, 0.8)]
    tried = pd.DataFrame(rows, columns=["layer", "strength", "good", "AUC"])
    shown = Choice(1, 1.0, np.ones(2), tried).by_layer()
    assert shown.to_dict("list") == {
        "x": [0, 1, 0, 1],
        "series": ["good answers"] * 2 + ["AUC along v"] * 2,
        "value": [0.6, 0.9, 0.7, 0.8],
    }
