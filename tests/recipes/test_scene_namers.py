"""Networks that name scenes: batches are of known scenes, and a short training beats chance."""

from __future__ import annotations

import numpy as np
import torch

from inscape.learn.fit import Budget
from inscape.learn.gradient import Gradient
from inscape.nets.small_vit import SmallVit
from inscape.recipes.scene_namers import BATCH, namer, plain_namer, scene_batch, scene_views
from inscape.study.arms import UNTRAINED, arms
from inscape.worlds.captioned_scenes import COUNTS, SIDE, distinct_scenes, factor_accuracy


def test_a_batch_is_of_the_scenes_that_are_known():
    known = np.array([[0, 1, 0, 3], [4, 5, 1, 8]])
    made = scene_batch(np.random.default_rng(0), known)
    assert made.images.shape == (BATCH, 3, SIDE, SIDE)
    assert {tuple(f) for f in made.factors.tolist()} == {(0, 1, 0, 3), (4, 5, 1, 8)}
    batch = plain_namer(4, known).batches(np.random.default_rng(0), 0)
    assert batch.factors.equal(made.factors)
    assert batch.images.equal(made.images)
    every = scene_batch(np.random.default_rng(0))
    assert len({tuple(f) for f in every.factors.tolist()}) > 50


def test_two_views_are_of_the_same_scenes_in_another_light_and_place():
    one, other = scene_views(np.random.default_rng(0), 0)
    assert one.shape == other.shape == (BATCH, 3, SIDE, SIDE)
    made = scene_batch(np.random.default_rng(0))
    # the first view is the batch itself, each colour of a picture times a factor of its own
    factor = (one * made.images).sum((2, 3)) / made.images.square().sum((2, 3))
    torch.testing.assert_close(one, made.images * factor[..., None, None], atol=1e-5, rtol=1e-4)
    assert 0.599 < float(factor.min()) < 0.7 < 1.3 < float(factor.max()) < 1.401
    assert float((factor[:, 0] - factor[:, 1]).abs().max()) > 0.3
    # and the second is of the same scenes: nearer to the first than other scenes are
    flat = [torch.nn.functional.normalize(x.flatten(1)) for x in (one, other)]
    near = flat[0] @ flat[1].T
    assert float(near.diag().mean()) > float(near.mean()) + 0.3
    assert not torch.equal(one, other)
    assert torch.equal(scene_views(np.random.default_rng(0), 3)[1], other)


def test_an_update_rule_is_taken_where_it_is_given():
    slow = Gradient(lr=1e-5)
    assert plain_namer(4).update == Gradient()
    assert namer(lambda: SmallVit(3, SIDE, sum(COUNTS), width=16), slow).update == slow


def test_a_short_training_names_more_than_before(opened):
    test = distinct_scenes(100, which=np.random.default_rng(0), rng=np.random.default_rng(1))
    with opened() as run:
        found = arms(
            run,
            {"namer": plain_namer(4)},
            metrics={"right": lambda net, k: factor_accuracy(net(test.images), test.factors)},
            budget=Budget(200),
        )
    right = {arm: values.mean() for arm, values in found.values["right"].items()}
    chance = np.mean(1 / np.array(COUNTS))
    assert right[UNTRAINED] < chance + 0.15 < right["namer"]
    assert not torch.equal(
        *(found.nets[arm][0].head.weight.detach() for arm in (UNTRAINED, "namer"))
    )
