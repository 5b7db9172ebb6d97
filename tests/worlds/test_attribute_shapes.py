"""Attribute shapes: pictures show their attributes, and judgements are made of them."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.distance import pdist, squareform

from inscape.worlds.attribute_shapes import attribute_shapes


def test_pictures_show_their_attributes():
    made = attribute_shapes(400, rng=np.random.default_rng(0))
    radius, down, across, ground = made.attributes[:, -4:].T
    corner = made.images[:, :, :2, :2].mean((1, 2, 3)).numpy()
    assert np.corrcoef(corner, ground)[0, 1] > 0.98
    inside = (made.images - torch.from_numpy(0.5 * ground).float()[:, None, None, None]).abs()
    inside = (inside.amax(1) > 0.25).float()
    places = torch.arange(24) + 0.5
    for axis, truth in ((2, down), (1, across)):
        mean = (inside.sum(axis) @ places) / inside.sum((1, 2))
        assert np.corrcoef(mean.numpy(), truth)[0, 1] > 0.9
    for shape in range(5):
        own = (made.shapes == shape).numpy()
        assert np.corrcoef(inside.sum((1, 2)).numpy()[own], radius[own])[0, 1] > 0.8


def test_judgements_are_the_sum_that_is_written():
    made = attribute_shapes(50, rng=np.random.default_rng(1))
    judged = squareform(pdist(made.attributes)) ** 2
    other = (made.shapes[:, None] != made.shapes).numpy()
    assert (judged[other] >= 2).all()
    assert judged[~other].max() <= 1 + 4
