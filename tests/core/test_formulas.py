"""Formulas of conditions: against loops, and as jackknifed evidence."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core import (
    Measured,
    above_best,
    best_gain,
    difference_in_differences,
    least_fall,
    least_gain,
    least_of,
    least_rise,
    mean_of,
    means_apart,
)


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(4, 30))


def test_as_loops_over_items_say(values):
    for i, (a, b, c, d) in enumerate(values.T):
        assert least_rise(*values)[i] == pytest.approx(min(b - a, c - b, d - c))
        assert least_fall(*values)[i] == pytest.approx(min(a - b, b - c, c - d))
        assert above_best(*values)[i] == pytest.approx(a - max(b, c, d))
        assert means_apart(*values)[i] == pytest.approx((a + b - c - d) / 2)
        assert best_gain(*values)[i] == pytest.approx(max(a, b, c) - d)
        assert least_gain(*values)[i] == pytest.approx(min(a - c, b - d))
        assert least_of(*values)[i] == min(a, b, c, d)
        assert mean_of(*values)[i] == pytest.approx((a + b + c + d) / 4)
        assert difference_in_differences(*values)[i] == pytest.approx((a - b) - (c - d))


def test_one_condition_may_stand_for_a_half(values):
    a, b, c, _ = values
    np.testing.assert_allclose(means_apart(a, b, c, c), (a + b) / 2 - c)


def test_one_condition_has_a_least_and_a_mean(values):
    np.testing.assert_array_equal(least_of(values[0]), values[0])
    np.testing.assert_array_equal(mean_of(values[0]), values[0])


def test_what_both_conditions_gain_alike_is_no_difference(values):
    a, b, shift, _ = values
    np.testing.assert_allclose(difference_in_differences(a + shift, a, b + shift, b), 0, atol=1e-12)
    assert np.abs(difference_in_differences(a + shift, a, b, b)).max() > 1


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
    with pytest.raises(ValueError, match="least_gain: needs as many of one half as of the other"):
        least_gain([1.0], [2.0], [3.0])
    with pytest.raises(ValueError, match="best_gain: needs at least two conditions, got 1"):
        best_gain([1.0])
    for formula in (least_of, mean_of):
        with pytest.raises(ValueError, match=r"needs at least one condition, got 0"):
            formula()
