"""Null directions: unit, of the covariance asked for, and told nothing of the labels."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.control.random_directions import combined, half_swapped, isotropic, matched


def test_isotropic_ones_are_unit_spread_evenly_and_the_same_at_every_site():
    found = isotropic(2000, 3, 10, rng=np.random.default_rng(0))
    assert np.allclose(np.linalg.norm(found, axis=-1), 1)
    assert np.array_equal(found[:, 0], found[:, 2])
    assert np.allclose(found[:, 0].T @ found[:, 0] / 2000, np.eye(10) / 10, atol=0.02)


def test_matched_ones_lie_where_the_rows_vary_and_are_one_draw_over_sites():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6)) * [5, 3, 1, 0.1, 0.1, 0.1]
    found = matched(np.stack([x, x @ np.eye(6)[::-1]]), 3000, rng=rng)
    size = (found[:, 0] ** 2).mean(axis=0)
    assert np.all(np.diff(size[:4]) < 0)
    assert size[3:].sum() < 0.01
    assert np.allclose(found[:, 1], found[:, 0] @ np.eye(6)[::-1])


def test_half_swapped_labels_cancel_what_the_labels_share():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 20)
    y = np.tile([0, 1], 100)
    x = rng.normal(size=(200, 8))
    x[:, 0] += 20 * y
    true = x[y == 1].mean(axis=0) - x[y == 0].mean(axis=0)
    true /= np.linalg.norm(true)
    assert true[0] > 0.99
    found = half_swapped(x[None], y, groups, 50, rng=rng)[:, 0]
    assert np.abs(found @ true).max() < 0.9
    assert abs((found @ true).mean()) < 0.3
    assert np.allclose(np.linalg.norm(found, axis=-1), 1)


def test_combined_is_a_weighted_sum_of_rows():
    x = np.arange(6.0).reshape(1, 2, 3)
    assert np.allclose(
        combined(x, np.array([[2.0, -1.0]]))[0, 0], np.array([-3, -2, -1]) / np.sqrt(14)
    )


def test_refusals():
    x, rng = np.ones((1, 4, 2)), np.random.default_rng(0)
    with pytest.raises(ValueError, match="needs at least two groups"):
        half_swapped(x, np.array([0, 1, 0, 1]), np.zeros(4, dtype=int), 1, rng=rng)
    with pytest.raises(ValueError, match="left one class empty"):
        half_swapped(x, np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 1, rng=rng)


def test_rows_without_a_direction_and_labels_that_cannot_be_swapped():
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=(8, 3)), np.zeros((8, 3))])
    found = matched(x, 4, rng=rng)
    assert np.linalg.norm(found, axis=2) == pytest.approx(np.array([[1.0, 0.0]] * 4))
    x[1, 0, 0] = np.nan
    with pytest.raises(ValueError, match="the rows of site 1 hold NaN or infinite numbers"):
        matched(x, 4, rng=rng)
    with pytest.raises(ValueError, match="y must hold 0 and 1 only"):
        half_swapped(x[:1], np.arange(8) % 2 + 1, np.arange(8) // 2, 2, rng=rng)
