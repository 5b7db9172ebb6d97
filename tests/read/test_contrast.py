"""Contrast pairs and the search for a consistent direction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.read.ccs import ccs
from inscape.read.contrast_pairs import Sides, pair_direction


def statements(n=300, d=20, seed=0, suffix=8.0, loud=0.0):
    """Truth along axis 0 (opposite on the two sides), a loud mark of the side along axis 1, topic
    elsewhere.
    """
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    topic = rng.normal(size=(n, d))
    topic[:, :2] = 0
    sides = []
    for sign in (1, -1):
        x = topic + 0.3 * rng.normal(size=(n, d))
        x[:, 0] += sign * (2 * y - 1)
        x[:, 1] += sign * suffix
        if loud:
            x[:, 2] += sign * loud * (2 * (np.arange(n) % 2) - 1)
        sides.append(x)
    return sides[0], sides[1], y


def test_truth_is_found_without_labels_and_its_ends_named_with_them():
    up, down, y = statements()
    found = ccs(up, down, y, rng=np.random.default_rng(0))
    fresh = statements(seed=1)
    assert (found.predict(*fresh[:2]) == fresh[2]).mean() > 0.95
    assert abs(found.coef[0]) / np.linalg.norm(found.coef) > 0.8
    blind = ccs(up, down, rng=np.random.default_rng(0))
    right = (blind.predict(*fresh[:2]) == fresh[2]).mean()
    assert max(right, 1 - right) > 0.95
    assert not blind.named
    assert found.named
    assert found.loss.shape == (10,)
    assert found.loss.min() < 0.05


def test_without_normalising_each_side_the_suffix_is_what_is_found():
    up, down, y = statements()
    plain = np.linalg.svd((up - down) - 0, full_matrices=False)[2][0]
    assert abs(plain[1]) > 0.95  # before: the largest difference of all is which side it is
    found = pair_direction(up, down, y, supervised=False)
    assert abs(found.coef[0]) > 0.9
    assert abs(found.coef[1]) < 0.1


def test_any_louder_feature_that_differs_within_pairs_is_found_instead_of_truth():
    up, down, y = statements(loud=4.0)
    unsupervised = pair_direction(up, down, y, supervised=False)
    assert abs(unsupervised.coef[2]) > 0.9
    assert ((unsupervised.scores(up, down) > 0) == y).mean() < 0.65
    assert ((pair_direction(up, down, y).scores(up, down) > 0) == y).mean() > 0.95


def test_labels_of_noise_name_ends_and_no_more():
    rng = np.random.default_rng(0)
    right = []
    for seed in range(10):
        up, down = rng.normal(size=(2, 60, 10))
        y, other = rng.integers(2, size=(2, 60))
        found = ccs(up, down, y, starts=3, max_iter=50, rng=np.random.default_rng(seed))
        right.append((found.predict(*rng.normal(size=(2, 60, 10))) == other).mean())
    assert abs(np.mean(right) - 0.5) < 0.06


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 200), shift=st.floats(-50, 50))
def test_an_offset_of_either_side_changes_nothing(seed, shift):
    up, down, y = statements(60, 8, seed)
    plain, moved = pair_direction(up, down, y), pair_direction(up + shift, down - 2 * shift, y)
    assert np.allclose(
        plain.scores(up, down), moved.scores(up + shift, down - 2 * shift), atol=1e-6
    )
    swapped = pair_direction(down, up, 1 - y)
    assert np.allclose(plain.scores(up, down), -swapped.scores(down, up), atol=1e-6)


def test_refusals():
    up, down, _ = statements(40)
    with pytest.raises(ValueError, match="both sides must have one shape"):
        Sides.of(up, down[:-1])
    with pytest.raises(ValueError, match="y must hold both classes"):
        pair_direction(up, down, np.ones(40, dtype=int))
    with pytest.raises(ValueError, match="starts must be at least 1"):
        ccs(up, down, starts=0, rng=np.random.default_rng(0))


@pytest.mark.parametrize("y", [["yes", "no"] * 5, [1, 2] * 5, [1, -1] * 5])
def test_labels_that_name_no_end_are_refused(y):
    rng = np.random.default_rng(0)
    up, down = rng.normal(size=(2, 10, 3))
    with pytest.raises(ValueError, match="ccs: y must hold 1 or 0 for each of the 10 pairs"):
        ccs(up, down, np.array(y), starts=1, rng=rng)
    with pytest.raises(ValueError, match="pair_direction: y must hold 1 or 0"):
        pair_direction(up, down, np.array(y))


def test_pairs_that_are_not_finite_are_refused():
    up, down = np.random.default_rng(0).normal(size=(2, 10, 3))
    up[0, 0] = np.nan
    with pytest.raises(ValueError, match="a side holds NaN or infinite numbers"):
        ccs(up, down, starts=1, rng=np.random.default_rng(0))
