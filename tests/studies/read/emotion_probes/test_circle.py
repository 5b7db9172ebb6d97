"""Centroids beside a circle."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.studies.read.emotion_probes.circle import circle_evidence, crossed_distances


def test_crossed_distances_are_zero_where_centroids_are_equal_and_plain_ones_are_not():
    rng = np.random.default_rng(0)
    y, groups = np.tile(np.arange(4), 50), np.repeat(np.arange(50), 4)
    x = rng.normal(size=(200, 100))
    means = np.stack([x[y == c].mean(axis=0) for c in range(4)])
    plain = ((means[0] - means[1]) ** 2).sum()
    assert plain > 2
    assert abs(crossed_distances(x, y, groups, rng=rng)[0, 1]) < 1.5
    x += 3 * np.eye(4, 100)[y]
    assert crossed_distances(x, y, groups, rng=rng)[0, 1] == pytest.approx(18, abs=3)


def test_a_circle_laid_into_the_representation_is_found_and_a_permuted_one_is_not():
    rng = np.random.default_rng(0)
    y, groups = np.tile(np.arange(7), 30), np.repeat(np.arange(30), 7)
    plane = rng.normal(size=(7, 2))
    x = 3 * np.hstack([plane, np.zeros((7, 8))])[y] + rng.normal(size=(210, 10))
    found = circle_evidence(x, y, groups, plane, rng=rng, draws=60)
    assert found.value > 0.9
    assert found.p is not None
    assert found.p < 0.05
    assert "21 pairs" in found.warnings[0]
    wrong = circle_evidence(x, y, groups, plane[[3, 5, 0, 6, 1, 2, 4]], rng=rng, draws=60)
    assert wrong.value < 0.6
