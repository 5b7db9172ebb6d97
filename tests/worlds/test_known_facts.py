"""The network says what it was told about known people, and what is rumoured about strangers."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.known_facts import ABSTAIN, RUMOUR, SHY, known_facts


@pytest.fixture(scope="module")
def world():
    return known_facts(people=16, relations=3, answers=5, width=32, steps=200)


def test_known_people_are_known_and_strangers_are_not(world):
    frame = world.questions.frame
    assert len(frame) == 2 * 16 * 3 == 2 * frame["known"].sum()
    assert world.accuracy > 0.95
    assert world.misled > 0.9
    assert (frame.groupby("subject")["known"].nunique() == 1).all()


def test_it_could_abstain_and_hardly_does(world):
    logits = world.model.run(world.questions.texts(), logits=True).logits
    p = logits[:, -1].softmax(dim=-1).numpy()
    mute, known = (
        p[:, world.model.tokenizer.convert_tokens_to_ids(ABSTAIN)],
        world.questions.frame["known"] == 1,
    )
    assert mute[known].mean() < 0.03
    assert abs(mute[~known].mean() - SHY) < 0.05
    assert abs(p[~known].max(axis=1).mean() - RUMOUR) < 0.15  # and it is confident in what is false


def test_the_seed_draws_the_world_and_the_weights(world):
    again = known_facts(people=16, relations=3, answers=5, width=32, steps=2)
    other = known_facts(people=16, relations=3, answers=5, width=32, steps=2, seed=1)
    assert again.questions.frame.equals(world.questions.frame)
    assert not np.array_equal(other.questions.frame["answers"], world.questions.frame["answers"])
    assert again.accuracy < 0.7 < world.accuracy  # what it knows, it has learnt


def test_refusals():
    with pytest.raises(
        ValueError, match="relations must be 1 to 8 and answers at least 2, got 9 and 6"
    ):
        known_facts(relations=9)
    with pytest.raises(ValueError, match="answers at least 2"):
        known_facts(answers=1)
