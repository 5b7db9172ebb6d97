"""Overlaps of directions and exponents over sizes: by hand, at their limits, and what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.shape.overlap import overlap
from inscape.shape.scaling_law import scaling_law


def test_the_overlap_is_the_mean_squared_cosine_of_pairs():
    w = np.random.default_rng(0).normal(size=(30, 7)) * np.arange(1, 31)[:, None]
    unit = w / np.linalg.norm(w, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[~np.eye(30, dtype=bool)]
    found = overlap(w)
    assert found.overlap == pytest.approx((cosines**2).mean())
    assert found.times_width == pytest.approx(7 * found.overlap)
    q = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 7)))[0]
    assert overlap(w @ q * 3).overlap == pytest.approx(found.overlap)


def test_rows_are_summed_in_pieces(monkeypatch):
    w = np.random.default_rng(0).normal(size=(50, 4))
    whole = overlap(w).overlap
    monkeypatch.setattr(sys.modules["inscape.shape.overlap"], "_ROWS", 7)
    assert overlap(w).overlap == pytest.approx(whole, rel=1e-12)


def test_orthogonal_tight_random_and_equal_directions():
    assert overlap(np.eye(5)).overlap == pytest.approx(0, abs=1e-12)
    turns = 2 * np.pi * np.arange(3) / 3
    frame = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    assert overlap(frame).overlap == pytest.approx((3 - 2) / (2 * 2))
    assert overlap(np.ones((6, 3))).overlap == pytest.approx(1)
    assert overlap(np.random.default_rng(0).normal(size=(3000, 20))).times_width == pytest.approx(
        1, abs=0.02
    )


def test_lengths():
    w = np.array([[2.0, 0], [0, 2.0], [0.1, 0], [0, 0]])
    found = overlap(w)
    lengths = np.array([2, 2, 0.1, 0])
    assert found.long == 0.5
    assert found.spread == pytest.approx(lengths.std() / lengths.mean())
    assert found.overlap == pytest.approx(1 / 3)  # the row without length has no cosine
    with pytest.raises(ValueError, match="at least two directions with a length"):
        overlap(np.eye(1, 3))


@given(st.floats(-3, 3), st.floats(0.1, 10))
def test_a_power_law_is_found_exactly(exponent, factor):
    x = np.array([1.0, 3.0, 10.0, 50.0])
    found = scaling_law(x, factor * x**-exponent)
    assert found.exponent == pytest.approx(exponent, abs=1e-9)
    assert found.factor == pytest.approx(factor)
    if abs(exponent) > 1e-6:  # of a constant only rounding varies
        assert found.r2 == pytest.approx(1, abs=1e-6)


def test_the_exponent_is_the_slope_of_the_logarithms_and_a_bent_curve_fits_worse():
    x = np.array([1.0, 2.0, 4.0, 9.0])
    y = np.array([5.0, 4.0, 3.5, 0.4])
    slope, level = np.polyfit(np.log(x), np.log(y), 1)
    found = scaling_law(x, y)
    assert found.exponent == pytest.approx(-slope)
    assert found.factor == pytest.approx(np.exp(level))
    assert found.r2 == pytest.approx(np.corrcoef(np.log(x), np.log(y))[0, 1] ** 2)
    assert found.r2 < 0.9


def test_refusals():
    with pytest.raises(ValueError, match="as many values as sizes, all of them positive"):
        scaling_law([1, 2], [1.0, 0.0])
    with pytest.raises(ValueError, match=r"got shapes \(2,\) and \(3,\)"):
        scaling_law([1, 2], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="a slope needs at least two sizes"):
        scaling_law([2, 2], [1.0, 3.0])
