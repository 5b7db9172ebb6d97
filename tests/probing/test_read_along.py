"""Texts read along directions found elsewhere, beside a probe of their own."""

from __future__ import annotations

import numpy as np

from inscape.probing.directions import MATCHED, SWAPPED, Directions
from inscape.probing.read_along import OWN, read_along
from inscape.read.coordinates import mean_vectors
from inscape.worlds.sentiment import sentiment

SITES = ("embed", "resid_post.0", "resid_post.1")


def test_sentences_are_read_along_the_directions_and_by_a_probe_of_their_own():
    world = sentiment(words=8, steps=80)
    y = world.examples.frame["positive"].to_numpy() == 1
    x = mean_vectors(world.model, world.examples, SITES)
    d = x[:, y].mean(axis=1) - x[:, ~y].mean(axis=1)
    random = np.random.default_rng(0).normal(size=(4, 1, 32)).repeat(3, axis=1)
    found = Directions(SITES, {"means": d}, {MATCHED: random, SWAPPED: random}, 1, 1.0)
    frame = read_along(world.model, world.examples, "positive", found, seed=0)
    frame = frame.set_index(["series", "layer"])["value"]
    assert frame["means", 0] > 0.8
    assert frame[OWN, 0] > 0.8
    assert abs(frame[SWAPPED, 0] - 0.5) < 0.3
    assert set(frame.index.get_level_values("layer")) == {-1, 0, 1}
