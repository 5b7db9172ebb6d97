"""A planted bit: readable along its direction, unreadable by lines without it, and still there for
products.
"""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from inscape.control.rlace import RLACE
from inscape.worlds.planted_concept import plant, planted_concept


def accuracy(x, z, groups):
    train = groups % 3 > 0
    return LogisticRegression(max_iter=1000).fit(x[train], z[train]).score(x[~train], z[~train])


def test_without_its_direction_lines_cannot_read_it_and_products_can():
    w = planted_concept(strength=2.0)
    assert accuracy(w.x, w.z, w.groups) > 0.9
    left = w.x - np.outer(w.x @ w.direction, w.direction)
    assert abs(accuracy(left, w.z, w.groups) - 0.5) < 0.08
    none = planted_concept(strength=2.0, quadratic=0.0)
    assert accuracy(w.x, w.task, w.groups) > 0.9
    i, j = np.triu_indices(w.x.shape[1])
    products = left[:, i] * left[:, j]
    assert accuracy(products, w.z, w.groups) > 0.7
    gone = none.x - np.outer(none.x @ none.direction, none.direction)
    assert accuracy(gone[:, i] * gone[:, j], none.z, none.groups) < 0.6


def test_the_adversarial_direction_is_the_planted_one():
    w = planted_concept(strength=2.0)
    found = RLACE(1, steps=60, random_state=0).fit(w.x, w.z)
    assert abs(float((found.basis_ @ w.direction)[0])) > 0.95


def test_planting_moves_rows_along_one_direction():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 10))
    written, z, u = plant(x, 4.0, rng=rng)
    moved = written - x
    assert np.linalg.matrix_rank(moved) == 1
    assert np.abs(moved @ u).mean() == pytest.approx(2 * np.sqrt(x.var(axis=0).mean()))
    assert np.corrcoef(written @ u, z)[0, 1] > 0.8


def test_refusals():
    with pytest.raises(ValueError, match="d must be at least 8, got 4"):
        planted_concept(d=4)
