"""Networks that name shapes: what a batch holds, and a short training beats chance."""

from __future__ import annotations

import numpy as np

from inscape.learn.fit import Budget
from inscape.recipes.shape_namers import BATCH, shape_namer
from inscape.study.arms import UNTRAINED, arms
from inscape.worlds.attribute_shapes import SIDE, attribute_shapes


def test_batches_are_pictures_with_their_shapes():
    images, shapes = shape_namer(4).batches(np.random.default_rng(0), 0)
    made = attribute_shapes(BATCH, rng=np.random.default_rng(0))
    assert images.shape == (BATCH, 3, SIDE, SIDE)
    assert images.equal(made.images)
    assert shapes.equal(made.shapes)


def test_a_short_training_names_more_than_before(opened):
    test = attribute_shapes(200, rng=np.random.default_rng(1))
    with opened() as run:
        found = arms(
            run,
            {"namer": shape_namer(4)},
            metrics={"right": lambda net, k: net(test.images).argmax(1) == test.shapes},
            budget=Budget(150),
        )
    right = {arm: values.mean() for arm, values in found.values["right"].items()}
    assert right[UNTRAINED] < 0.35 < 0.5 < right["namer"]
