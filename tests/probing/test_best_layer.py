"""The chosen layer against the last."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.probing.best_layer import above_last
from inscape.probing.sweep import sweep


def swept(where, shuffles=19, seed=0):
    rng = np.random.default_rng(seed)
    y, groups = np.tile(np.arange(3), 20), np.repeat(np.arange(20), 3)
    sites = {f"resid_post.{i}": rng.normal(size=(60, 10)) for i in range(4)}
    for i in where:
        sites[f"resid_post.{i}"] += 3 * np.eye(3, 10)[y]
    return sweep(sites, y, groups=groups, task="classification", shuffles=shuffles, folds=3)


def test_a_layer_before_the_last_is_read_better():
    found = above_last(swept([1]))
    assert found.value > 0.3
    assert found.interval[0] > 0
    assert (found.p, found.null.draws) == (0.05, 19)
    assert abs(found.null.mean) < 0.1


def test_the_last_layer_is_not_beaten_where_it_alone_holds_the_label():
    assert above_last(swept([3])).value == 0


def test_noise_is_not_told_from_shuffled_labels():
    found = [above_last(swept([], seed=seed)) for seed in range(8)]
    assert np.median([e.p for e in found]) > 0.2
    assert np.mean([e.value for e in found]) < 0.1


def test_without_shuffles_there_is_no_null():
    with pytest.raises(ValueError, match="at least 2 draws"):
        above_last(swept([1], shuffles=0))
