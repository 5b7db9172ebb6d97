"""Transport on the circle: against all assignments, under rotation, and by the embedding."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.compare.circular_transport import (
    circular_transport,
    lcot_distance,
    lcot_distances,
    lcot_embedding,
    line_transport,
)


def sample(seed: int, n: int = 200) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random() + rng.vonmises(0, 4, n) / (2 * np.pi)) % 1


def slow(a: np.ndarray, b: np.ndarray) -> float:
    gap = abs(a[:, None] - b)
    gap = np.minimum(gap, 1 - gap) ** 2
    return np.sqrt(min(gap[range(len(a)), list(p)].mean() for p in permutations(range(len(a)))))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_exact_distance_is_the_best_of_all_assignments(seed):
    a, b = np.random.default_rng(seed).random((2, 6))
    assert circular_transport(a, b) == pytest.approx(slow(a, b), abs=1e-9)


def test_rotating_both_changes_nothing_on_the_circle_and_something_on_the_line():
    a, b = sample(0), sample(1)
    turned = (a + 0.37) % 1, (b + 0.37) % 1
    assert circular_transport(*turned) == pytest.approx(circular_transport(a, b))
    one, other = (lcot_distance(*(lcot_embedding(x) for x in pair)) for pair in ((a, b), turned))
    assert one == pytest.approx(other, abs=2e-3)
    shifts = [line_transport((a + s) % 1, (b + s) % 1) for s in np.linspace(0, 1, 9)]
    assert np.ptp(shifts) > 0.05


def test_the_embedding_is_transport_to_the_uniform_measure():
    n = 300
    uniform = (np.arange(n) + 0.5) / n
    for seed in range(5):
        x = sample(seed, n)
        length = np.sqrt(np.mean(lcot_embedding(x, n) ** 2))
        assert length == pytest.approx(circular_transport(x, uniform), abs=1e-3)
    assert lcot_distance(lcot_embedding(sample(0)), lcot_embedding(sample(0))) == 0


def test_points_are_as_far_apart_as_the_shorter_way_round():
    point = np.full(50, 0.3)
    for by, far in ((0.1, 0.1), (0.4, 0.4), (0.9, 0.1)):
        assert circular_transport(point, point + by) == pytest.approx(far, abs=1e-9)
        one, other = (lcot_embedding(p) for p in (point, point + by))
        assert lcot_distance(one, other) == pytest.approx(far, abs=5e-3)


def test_all_pairs_are_as_each_alone():
    x = np.stack([sample(seed) for seed in range(5)])
    found = lcot_distances(x, 64)
    for i, j in np.ndindex(5, 5):
        pair = (lcot_embedding(x[k], 64) for k in (i, j))
        assert found[i, j] == pytest.approx(float(lcot_distance(*pair)), abs=1e-12)
    assert found[0, 1] > 0.01


def test_refusals():
    with pytest.raises(ValueError, match="as many of both"):
        circular_transport(sample(0), sample(1)[:5])
    with pytest.raises(ValueError, match="as many of both"):
        line_transport(sample(0), sample(1)[:5])
    with pytest.raises(ValueError, match="finite phases"):
        lcot_embedding(np.array([0.1, np.nan]))
