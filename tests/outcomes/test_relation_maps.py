"""Relations of a toy world as maps: dealt once, linearised, agreeing with the network."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.errors import StudyError
from inscape.outcomes.relation_maps import answered, linearise
from inscape.worlds.relations import relations


@pytest.fixture(scope="module")
def world():
    return relations(people=48, steps=150)


@pytest.fixture(scope="module")
def mapped(world):
    kept, _ = answered(world.model, world.examples, ["city"], 0, 20, rng=np.random.default_rng(0))
    return linearise(
        kept[0], ["embed", "resid_post.0"], "resid_post.1", 5, rng=np.random.default_rng(1)
    )


def test_rows_are_dealt_once_and_examples_have_objects_of_their_own(mapped):
    parts = [mapped.examples, mapped.chooses, mapped.held]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(mapped.asked)))
    assert len(set(mapped.asked.objects[mapped.examples])) == 5
    assert mapped.jacobians.shape == (2, 5, 48, 48)


def test_jacobians_belong_to_their_rows(world, mapped):
    """A small step along an example's own Jacobian gives its own change of output."""
    row = int(mapped.examples[2])
    one = mapped.asked.take([row])
    step = 1e-2 * np.random.default_rng(0).normal(size=(1, 48)).astype(np.float32)
    moved = one.outputs(
        "resid_post.1", mapped.states[1][[row]] + step, "resid_post.0"
    ) - one.outputs("resid_post.1")
    assert np.allclose(
        moved[0], mapped.jacobians[1, 2] @ step[0], atol=0.05 * np.abs(moved).max() + 1e-4
    )


def test_the_embedding_agrees_with_the_network_and_random_maps_do_not(mapped):
    found = mapped.embedding(0).with_beta(2.0)
    assert mapped.agrees(found, 0, mapped.held).mean() > 0.7
    random = found.randomised(rng=np.random.default_rng(0))
    assert mapped.agrees(random, 0, mapped.held).mean() < 0.4
    assert mapped.agrees(lambda s: mapped.outputs[mapped.held], 1, mapped.held).mean() == 1.0
    assert mapped.fitted(1, more=True).weight.shape == mapped.translated(1).weight.shape == (48, 48)


def test_refusals(world):
    with pytest.raises(StudyError, match="no relation 'colour'; the table has city, country"):
        answered(world.model, world.examples, ["colour"], 0, 5, rng=np.random.default_rng(0))
    with pytest.raises(StudyError, match="answers no relation 900 times; known are"):
        answered(world.model, world.examples, ["city"], 0, 900, rng=np.random.default_rng(0))
