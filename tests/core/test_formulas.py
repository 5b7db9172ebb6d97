"""Formulas of conditions: against loops, and as jackknifed evidence."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core import Measured, above_best, least_fall, least_rise, means_apart


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(4, 30))


def test_as_loops_over_items_say(values):
    for i, (a, b, c, d) in enumerate(values.T):
        assert least_rise(*values)[i] == pytest.approx(min(b - a, c - b, d - c))
        assert least_fall(*values)[i] == pytest.approx(min(a - b, b - c, c - d))
        assert above_best(*values)[i] == pytest.approx(a - max(b, c, d))
        assert means_apart(*values)[i] == pytest.approx((a + b - c - d) / 2)


def test_one_condition_may_stand_for_a_half(values):
    a, b, c, _ = values
    np.testing.assert_allclose(means_apart(a, b, c, c), (a + b) / 2 - c)


def test_statistics_stay_paired():
    rng = np.random.default_rng(1)
    hard = rng.normal(scale=10, size=40)
    m = Measured("score")
    m.put_each({str(k): hard + k + rng.normal(scale=0.1, size=40) for k in range(3)})
    rise = m.combined("least rise", least_rise, "0", "1", "2")
    low, high = rise.ends
    assert low < 1 < high + 0.05
    assert high - low < 0.2  # what makes an item hard cancels
    assert m.combined("least fall", least_fall, "0", "1", "2").value < -0.9
    assert m.combined("gain", above_best, "2", "0", "1").value == pytest.approx(1, abs=0.1)


def test_refusals():
    with pytest.raises(ValueError, match="least_rise: needs at least two conditions, got 1"):
        least_rise([1.0])
    with pytest.raises(ValueError, match="above_best: needs at least two conditions"):
        above_best([1.0])
    with pytest.raises(ValueError, match="means_apart: needs as many of one half"):
        means_apart([1.0], [2.0], [3.0])
