"""Shared neighbours: their count, chance, the papers' formulas, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.compare.cknna import cknna
from inscape.compare.jaccard import jaccard, jaccard_chance
from inscape.compare.mutual_knn import above_chance, mutual_knn, shared_neighbours
from tests.compare.references import pair, rotation


def slow_nearest(x, k):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    near = unit @ unit.T
    np.fill_diagonal(near, -np.inf)
    return [set(np.argsort(-row, kind="stable")[:k].tolist()) for row in near]


@pytest.mark.parametrize("k", [1, 5, 59])
def test_it_counts_what_is_shared(k):
    x, y = pair()
    a, b = slow_nearest(x, k), slow_nearest(y, k)
    shared = [len(p & q) / k for p, q in zip(a, b, strict=True)]
    assert mutual_knn(x, y, k=k) == pytest.approx(np.mean(shared), abs=1e-12)
    assert shared_neighbours(x, y, k=k) == pytest.approx(np.array(shared), abs=1e-12)
    over = [len(p & q) / len(p | q) for p, q in zip(a, b, strict=True)]
    assert jaccard(x, y, k=k) == pytest.approx(np.mean(over), abs=1e-12)


def test_clipping_is_that_of_the_mean():
    x, y = pair()
    x[::7] *= 30  # large values, which a quantile cuts off
    clipped = shared_neighbours(x, y, clip=0.9)
    assert clipped.mean() == pytest.approx(mutual_knn(x, y, clip=0.9), abs=1e-12)
    assert not np.array_equal(clipped, shared_neighbours(x, y))


def test_cknna_is_its_formula():
    x, y = pair()
    k, n = 6, len(x)
    near, kernels = [slow_nearest(side, k) for side in (x, y)], []
    for side in (x, y):
        unit = side / np.linalg.norm(side, axis=1, keepdims=True)
        kernel = unit @ unit.T
        off = ~np.eye(n, dtype=bool)
        means = np.array([kernel[i, off[i]].mean() for i in range(n)])
        kernels.append(kernel - means[:, None])

    def align(a, b):
        return sum(
            kernels[a][i, j] * kernels[b][i, j] for i in range(n) for j in near[a][i] & near[b][i]
        )

    expected = align(0, 1) / np.sqrt(align(0, 0) * align(1, 1))
    assert cknna(x, y, k=k) == pytest.approx(expected, abs=1e-10)


def test_chance_is_what_unrelated_representations_give():
    rng = np.random.default_rng(0)
    n, k = 300, 10
    draws = [(rng.normal(size=(n, 20)), rng.normal(size=(n, 20))) for _ in range(8)]
    shared = np.mean([mutual_knn(*draw, k=k) for draw in draws])
    assert shared == pytest.approx(k / (n - 1), abs=0.004)
    assert np.mean([jaccard(*draw, k=k) for draw in draws]) == pytest.approx(
        jaccard_chance(n, k), abs=0.003
    )
    assert abs(above_chance(float(shared), n, k)) < 0.005
    assert above_chance(1.0, n, k) == 1
    # the setting of the paper: n = 1024
    assert abs(above_chance(0.0098, 1024, 10)) < 1e-4


def test_norms_shared_by_the_rows_are_no_agreement():
    """Without unit length, rows with the same norms on both sides share neighbours by their norms
    alone.
    """
    rng = np.random.default_rng(0)
    size = rng.gamma(0.5, size=(300, 1)) + 0.01
    x, y = (rng.normal(size=(300, 30)) * size for _ in range(2))
    assert mutual_knn(x, y) < 0.06
    unscaled = []
    for side in (x, y):
        near = side @ side.T
        np.fill_diagonal(near, -np.inf)
        unscaled.append([set(np.argsort(-row)[:10].tolist()) for row in near])
    assert np.mean([len(a & b) / 10 for a, b in zip(*unscaled, strict=True)]) > 0.12


@given(st.integers(0, 10**6), st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_rotation_and_scale_change_nothing_and_shift_does(seed, scale):
    x, y = pair(40, seed=seed)
    for measure in (mutual_knn, jaccard, cknna):
        value = measure(x, y, k=5)
        assert measure(scale * x @ rotation(7, seed), y, k=5) == pytest.approx(value, abs=1e-9)
        assert measure(y, x, k=5) == pytest.approx(value, abs=1e-12)


def test_a_shift_changes_cosines():
    x, y = pair(40)
    assert mutual_knn(x - 3, y + 100, k=5) != mutual_knn(x, y, k=5)


def test_repeated_items_go_by_their_place():
    x = np.ones((6, 2))
    assert mutual_knn(x, x, k=2) == 1
    assert mutual_knn(x, np.random.default_rng(0).normal(size=(6, 2)), k=5) == 1


def test_clipping_holds_an_outlying_feature_down():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 30))
    loud = np.concatenate([x, 1000 + 300 * rng.normal(size=(80, 1))], axis=1)
    assert mutual_knn(x, loud, clip=0.95) > mutual_knn(x, loud) + 0.2


def test_what_is_not_defined_is_refused():
    x, y = pair(20)
    for measure in (mutual_knn, jaccard, cknna):
        with pytest.raises(ValueError, match="k must be between 1 and 19, the other items, got 20"):
            measure(x, y, k=20)
        with pytest.raises(ValueError, match="clip must be a quantile above 0"):
            measure(x, y, clip=2.0)
    with pytest.raises(ValueError, match="tells none of the 20 items apart"):
        cknna(np.ones((20, 3)), y)


def test_chance_is_of_neighbours_that_exist():
    with pytest.raises(ValueError, match="k must be between 1 and 4, the other items, got 10"):
        jaccard_chance(5, 10)
    for k in (0, 10):
        with pytest.raises(ValueError, match="k must be between 1 and 9 for 11 items"):
            above_chance(0.5, 11, k)
