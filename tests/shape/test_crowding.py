"""Hubs, entangled classes, shared directions, sparse units: formulas by hand, limits, what changes
nothing.
"""

import numpy as np
import pytest
import torch

from inscape.shape.class_separation import discrimination_value
from inscape.shape.hubness import hubness
from inscape.shape.soft_nearest_neighbour import soft_nearest_neighbour
from inscape.shape.sparsity import hoyer, sparsity, treves_rolls
from inscape.shape.superposition import superposition


def rng(seed=0):
    return np.random.default_rng(seed)


def rotated(x, seed=9):
    return x @ np.linalg.qr(rng(seed).normal(size=(x.shape[1], x.shape[1])))[0]


def test_hubs_are_counted_as_by_hand_and_grow_with_the_dimension():
    from scipy.stats import skew

    x = rng().normal(size=(60, 5))
    far = np.linalg.norm(x[:, None] - x, axis=-1)
    np.fill_diagonal(far, np.inf)
    counts = np.bincount(np.argsort(far, axis=1)[:, :4].ravel(), minlength=60)
    found = hubness(x, k=4, metric="euclidean")
    assert found.counts.tolist() == counts.tolist()
    assert found.counts.mean() == 4
    assert found.skewness == pytest.approx(skew(counts))
    assert found.orphans == np.mean(counts == 0)
    assert found.largest == counts.max() / 59
    assert found.robin_hood == pytest.approx(np.maximum(counts - 4, 0).sum() / counts.sum())
    same = hubness(3 * rotated(x) + 7, k=4, metric="euclidean")
    assert same.counts.tolist() == counts.tolist()
    few, many = (hubness(rng(1).normal(size=(500, d)), k=10, metric="euclidean") for d in (2, 100))
    assert many.skewness > 2 > few.skewness
    assert many.orphans > few.orphans
    circle = np.stack([np.cos(t := np.arange(12) * np.pi / 6), np.sin(t)], axis=1)
    assert hubness(circle, k=2).skewness == 0
    with pytest.raises(ValueError, match="k must be between 1 and 59"):
        hubness(x, k=60)


def test_soft_nearest_neighbours_are_the_formula_and_its_lowest_temperature():
    x, y = rng().normal(size=(30, 3)), np.arange(30) % 3
    far = ((x[:, None] - x) ** 2).sum(-1)
    weight = np.exp(-far / 2.0) * (1 - np.eye(30))
    own = (weight * (y[:, None] == y)).sum(1) / weight.sum(1)
    found = soft_nearest_neighbour(x, y, temperature=2.0)
    assert found.loss == pytest.approx(-np.log(own).mean())
    best = soft_nearest_neighbour(x, y)
    assert all(
        best.loss <= soft_nearest_neighbour(x, y, temperature=t).loss for t in (0.5, 2.0, 9.0)
    )
    assert soft_nearest_neighbour(5 * rotated(x) + 3, y).loss == pytest.approx(best.loss, abs=1e-6)
    # very warm, every other item is as near: 9 of 29 have the class
    warm = soft_nearest_neighbour(x, y, temperature=1e9)
    assert warm.loss == pytest.approx(np.log(29 / 9))
    apart = soft_nearest_neighbour(x + 50 * np.eye(3)[y], y)
    assert apart.loss < 1e-6
    single = soft_nearest_neighbour(x, np.r_[y[:29], 7])
    assert single.left_out == 1
    with pytest.raises(ValueError, match="every class has a single item"):
        soft_nearest_neighbour(x, np.arange(30))
    with pytest.raises(ValueError, match="temperature must be positive, got 0.0"):
        soft_nearest_neighbour(x, y, temperature=0.0)
    with pytest.raises(ValueError, match="all rows are the same"):
        soft_nearest_neighbour(np.ones((4, 2)), [0, 0, 1, 1])


def test_features_share_dimensions():
    own = superposition(3 * np.eye(4))
    assert own.dimensionality.tolist() == [1.0] * 4
    assert own.interference.tolist() == [0.0] * 4
    assert own.per_dimension == 1
    angles = 2 * np.pi * np.arange(5) / 5
    pentagon = superposition(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert pentagon.dimensionality == pytest.approx(0.4)  # a tight frame: d / n each
    assert pentagon.per_dimension == 2.5
    w = rng().normal(size=(7, 3))
    found = superposition(torch.from_numpy(w))
    by_hand = [
        sum((w[i] @ w[j] / np.linalg.norm(w[i])) ** 2 for j in range(7) if j != i) for i in range(7)
    ]
    assert found.interference == pytest.approx(by_hand)
    assert found.dimensionality == pytest.approx(superposition(rotated(w)).dimensionality)
    assert found.dimensionality.sum() <= 3 + 1e-9
    with_zero = superposition(np.vstack([w, np.zeros(3)]))
    assert with_zero.dimensionality[-1] == 0
    assert with_zero.per_dimension == pytest.approx(7 / 3)
    with pytest.raises(ValueError, match="all directions are zero"):
        superposition(np.zeros((2, 3)))


def test_sparsity_of_units_and_of_items():
    x = np.maximum(rng().normal(size=(200, 30)) - 1, 0)
    x[:, 4] = 0
    found = sparsity(x)
    assert found.dead == pytest.approx(1 / 30)
    assert found.active[4] == 0
    assert np.isnan(found.lifetime[4])
    one = x[0]
    assert found.population[0] == pytest.approx(
        (1 - one.mean() ** 2 / (one**2).mean()) / (1 - 1 / 30)
    )
    assert sparsity(7 * x).lifetime[3] == pytest.approx(found.lifetime[3])
    assert treves_rolls(np.ones((1, 9)))[0] == pytest.approx(0)
    assert hoyer(np.ones((1, 9)))[0] == pytest.approx(0)
    assert hoyer(np.eye(9)[:1])[0] == pytest.approx(1)
    assert treves_rolls(np.eye(9)[:1])[0] == pytest.approx(1)
    assert np.isnan(hoyer(np.zeros((1, 4)))[0])
    assert sparsity(x, threshold=0.5).active.sum() < found.active.sum()
    with pytest.raises(ValueError, match="two units or more"):
        sparsity(x[:, :1])


def test_classes_are_apart_or_mixed():
    x, y = rng().normal(size=(300, 8)), np.arange(300) % 3
    assert abs(discrimination_value(x, y)) < 0.02
    z = (x - x.mean(0)) / x.std(0) / 2
    far = np.linalg.norm(z[:, None] - z, axis=-1)
    inside = [far[np.ix_(y == c, y == c)][np.triu_indices(100, 1)].mean() for c in range(3)]
    between = [far[np.ix_(y == a, y == b)].mean() for a, b in ((0, 1), (0, 2), (1, 2))]
    by_hand = (np.mean(inside) - np.mean(between)) / np.sqrt(8)
    assert discrimination_value(x, y) == pytest.approx(by_hand)
    scale = np.exp(rng(3).normal(size=8))
    assert discrimination_value(x * scale - 5, y) == pytest.approx(by_hand)
    still = np.concatenate([x, np.full((300, 2), 0.1)], axis=1)
    assert discrimination_value(still, y) == pytest.approx(by_hand)
    apart = 40 * np.eye(3)[y] @ rng(4).normal(size=(3, 8)) + x
    assert discrimination_value(apart, y) < -0.7
    with pytest.raises(ValueError, match="each with two items or more"):
        discrimination_value(x, np.r_[y[:-1], 9])
    with pytest.raises(ValueError, match="all rows are the same"):
        discrimination_value(np.ones((4, 2)), [0, 0, 1, 1])


@pytest.mark.parametrize("measure", [treves_rolls, hoyer])
def test_sparsity_takes_tensors_and_any_scale(measure):
    a = np.array([[1.0, 2.0, 0.0], [3.0, 0.25, 1.0]])
    wanted = measure(a)
    assert measure(torch.tensor(a, requires_grad=True)) == pytest.approx(wanted)
    assert measure(torch.tensor(a).bfloat16()) == pytest.approx(wanted)
    assert measure(1e200 * a) == pytest.approx(wanted)
    assert measure(1e-200 * a) == pytest.approx(wanted)
    with pytest.raises(ValueError, match="sparsity is of two numbers or more"):
        measure(a[:, :1])


def test_items_without_a_nearest_have_no_hubs():
    with pytest.raises(ValueError, match="all rows are the same, so none is nearer"):
        hubness(np.ones((12, 3)), k=2)
    x = rng(0).normal(size=(12, 3))
    x[4] = 0
    with pytest.raises(ValueError, match="a row is zero and has no direction"):
        hubness(x, k=2)
    assert hubness(x, k=2, metric="euclidean").counts.sum() == 24
