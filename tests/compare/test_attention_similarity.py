"""Heads beside heads: each measure against a slow clear version, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from inscape.compare.attention_similarity import attention_similarity


def weights(n: int, heads: int, t: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(t, 0.5), size=(n, heads, t))


def test_each_measure_is_its_definition():
    a, b = weights(3, 2, 5, 0), weights(3, 4, 5, 1)
    found = attention_similarity(a, b)
    for h in range(2):
        for g in range(4):
            items = range(3)
            rows = [(a[i, h, q], b[i, g, q]) for i in items for q in range(5)]
            pearson = np.mean([np.corrcoef(*row)[0, 1] for row in rows])
            shannon = np.mean([jensenshannon(*row) ** 2 for row in rows])
            apart = np.mean([np.linalg.norm(a[i, h] - b[i, g]) for i in items])
            assert found.pearson[h, g] == pytest.approx(pearson, abs=1e-12)
            assert found.jensen_shannon[h, g] == pytest.approx(1 - shannon, abs=1e-12)
            assert found.frobenius[h, g] == pytest.approx(1 - apart, abs=1e-12)
    best = found.best()
    assert best[0] == pytest.approx(np.mean([found.pearson[h].max() for h in range(2)]))
    assert best[1] < best[2]


def test_a_head_finds_itself_wherever_it_stands():
    a = weights(4, 3, 6, 0)
    assert attention_similarity(a, a[:, [2, 0, 1]]).best() == pytest.approx((1, 1, 1))
    assert attention_similarity(a, weights(4, 3, 6, 1)).best()[0] < 0.5


def test_even_attention_correlates_with_nothing():
    even = np.full((2, 1, 4, 4), 0.25)
    found = attention_similarity(even, weights(2, 1, 4, 0))
    assert found.pearson.item() == 0
    assert found.jensen_shannon.item() > 0.5


def test_what_is_no_attention_of_the_same_items_is_refused():
    a = weights(2, 2, 4, 0)
    with pytest.raises(ValueError, match="items, queries and keys must be the same"):
        attention_similarity(a, a[:1])
    with pytest.raises(ValueError, match="must add up to one over keys"):
        attention_similarity(a, 2 * a)
    with pytest.raises(ValueError, match="must add up to one over keys"):
        attention_similarity(a - 0.25, a)
