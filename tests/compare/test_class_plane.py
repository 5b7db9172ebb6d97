"""Centroids beside a circle."""

from __future__ import annotations

import numpy as np

from inscape.compare.class_plane import class_plane


def test_a_circle_laid_into_the_representation_is_found_and_a_permuted_one_is_not():
    rng = np.random.default_rng(0)
    y, groups = np.tile(np.arange(7), 30), np.repeat(np.arange(30), 7)
    plane = rng.normal(size=(7, 2))
    x = 3 * np.hstack([plane, np.zeros((7, 8))])[y] + rng.normal(size=(210, 10))
    found = class_plane(x, y, groups, plane, rng=rng, draws=60)
    assert found.value > 0.9
    assert found.name.endswith("with the plane")
    assert found.p is not None
    assert found.p < 0.05
    assert "21 pairs" in found.warnings[0]
    wrong = class_plane(x, y, groups, plane[[3, 5, 0, 6, 1, 2, 4]], rng=rng, draws=60)
    assert wrong.value < 0.6
