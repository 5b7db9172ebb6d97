"""Total variation of samples: against counts by hand, at its limits, and as a metric."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.compare import total_variation


def slow(a: np.ndarray, b: np.ndarray, bins: int) -> float:
    one, other = (Counter(min(int(v * bins), bins - 1) for v in side) for side in (a, b))
    return sum(abs(one[k] / len(a) - other[k] / len(b)) for k in range(bins)) / 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from((1, 4, 32)))
def test_shares_of_bins_are_counted_whatever_the_sizes(seed, bins):
    rng = np.random.default_rng(seed)
    a, b, c = rng.random(30), rng.random(50) ** 2, rng.random(7)
    found = total_variation(a, b, bins=bins)
    assert found == pytest.approx(slow(a, b, bins))
    assert total_variation(b, a, bins=bins) == pytest.approx(found)
    through = total_variation(a, c, bins=bins) + total_variation(c, b, bins=bins)
    assert found <= through + 1e-12


def test_from_equal_to_apart_and_no_farther():
    a = np.full(10, 0.2)
    assert total_variation(a, a[:3]) == 0
    assert total_variation(a, a + 0.1) == total_variation(a, a + 0.7) == 1
    half = np.concatenate([a, a + 0.7])
    assert total_variation(a, half) == 0.5


def test_the_span_is_in_the_unit_of_the_samples():
    a, b = np.random.default_rng(0).random((2, 40))
    degrees = total_variation(360 * a - 180, 360 * b - 180, span=(-180.0, 180.0))
    assert degrees == pytest.approx(total_variation(a, b))
    assert degrees > 0


def test_refusals():
    a = np.array([0.5])
    for wrong in (np.array([1.5]), np.array([np.nan]), np.array([])):
        with pytest.raises(ValueError, match="needs samples of finite values from 0 to 1"):
            total_variation(a, wrong)
    with pytest.raises(ValueError, match="span must rise"):
        total_variation(a, a, span=(1.0, 1.0))
    with pytest.raises(ValueError, match="bins must be a whole number from 1 on"):
        total_variation(a, a, bins=0)
