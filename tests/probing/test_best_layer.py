"""The depth of the best layer."""

from __future__ import annotations

import numpy as np

from inscape.probing.best_layer import before_last
from inscape.probing.sweep import sweep


def test_the_best_layer_is_found_in_the_data_and_in_draws_of_groups():
    rng = np.random.default_rng(0)
    y, groups = np.tile(np.arange(3), 20), np.repeat(np.arange(20), 3)
    sites = {f"resid_post.{i}": rng.normal(size=(60, 10)) for i in range(4)}
    sites["resid_post.1"] += 3 * np.eye(3, 10)[y]
    options = {"groups": groups, "task": "classification", "shuffles": 0, "folds": 3}
    found = sweep(sites, y, **options)
    noise = [sweep(sites, rng.permutation(y), **options) for _ in range(2)]
    depth = before_last(found, noise, rng=rng)
    assert depth.value == 2
    assert depth.interval == (2.0, 2.0)
    assert depth.null.draws == 2
    flat = before_last(noise[0], noise, rng=rng)
    assert flat.interval[0] < flat.interval[1]  # noise prefers no layer
    assert flat.interval[0] <= flat.value <= flat.interval[1]
