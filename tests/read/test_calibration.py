"""Calibration: what is calibrated is called so, what is not is not, and the biased error is seen to
be biased.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import brier_score_loss

from inscape.read.calibration import (
    Platt,
    Temperature,
    bin_of,
    brier,
    debiased_square,
    ece,
    reliability,
)


def drawn(n, seed, sharper=1.0):
    """Outcomes drawn with probability p, and a confidence whose log-odds are those of p times a
    factor.
    """
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 1.5, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    return 1 / (1 + np.exp(-sharper * odds)), y


def test_a_calibrated_confidence_has_no_error_but_chance_and_an_overconfident_one_has():
    p, y = drawn(20_000, 0)
    bold, _ = drawn(20_000, 0, sharper=3.0)
    for by in ("width", "mass"):
        assert ece(p, y, by=by) < 0.02 < 0.1 < ece(bold, y, by=by)
        assert abs(debiased_square(p, y, by=by)) < 2e-4 < 0.01 < debiased_square(bold, y, by=by)
    assert brier(p, y) < brier(bold, y)


def test_ece_is_biased_by_few_samples_and_the_debiased_square_is_not():
    runs = [drawn(100, seed) for seed in range(200)]
    eces = [ece(p, y, 10, "mass") for p, y in runs]
    squares = [debiased_square(p, y, 10, "mass") for p, y in runs]
    assert np.mean(eces) > 0.08
    assert abs(np.mean(squares)) < 3 * np.std(squares) / np.sqrt(len(squares))


def test_temperature_undoes_a_known_sharpening():
    bold, y = drawn(20_000, 1, sharper=3.0)
    fitted = Temperature.fit(bold, y)
    assert fitted.t == pytest.approx(3.0, rel=0.06)
    held, truth = drawn(20_000, 2, sharper=3.0)
    cooled = fitted(held)
    assert ece(cooled, truth) < 0.3 * ece(held, truth)
    assert (np.diff(cooled[np.argsort(held)]) >= 0).all()  # no ranking changes


def test_platt_scaling_undoes_a_sharpening_and_a_shift():
    p, y = drawn(20_000, 1)
    bold = 1 / (1 + np.exp(-(2.0 * np.log(p / (1 - p)) + 1.0)))
    fitted = Platt.fit(bold, y)
    assert (fitted.slope, fitted.offset) == pytest.approx((0.5, -0.5), abs=0.03)
    assert fitted(bold) == pytest.approx(p, abs=0.02)
    sure = Platt.fit(np.array([0.1, 0.9, 0.9]), np.array([0.0, 1.0, 1.0]))
    assert np.isfinite([sure.slope, sure.offset]).all()


def test_against_a_loop_and_scikit_learn():
    p, y = drawn(500, 3)
    assert brier(p, y) == pytest.approx(brier_score_loss(y, p))
    slow = 0.0
    for b in range(10):
        inside = [(q, z) for q, z in zip(p, y, strict=True) if min(int(q * 10), 9) == b]
        if inside:
            slow += (
                len(inside)
                / len(p)
                * abs(np.mean([z for _, z in inside]) - np.mean([q for q, _ in inside]))
            )
    assert ece(p, y) == pytest.approx(slow)
    table = reliability(p, y, 10, "mass")
    assert table["n"].tolist() == [50] * 10
    assert np.isnan(
        debiased_square(np.array([0.5]), np.array([1.0]))
    )  # one sample has no variance to subtract


@given(hnp.arrays(float, st.integers(1, 40), elements=st.floats(0, 1)), st.integers(0, 2**32 - 1))
def test_bounds_and_order(p, seed):
    y = np.random.default_rng(seed).integers(0, 2, len(p)).astype(float)
    order = np.random.default_rng(seed).permutation(len(p))
    for by in ("width", "mass"):
        value = ece(p, y, 7, by)
        assert 0 <= value <= 1
        assert ece(p[order], y[order], 7, by) == pytest.approx(value)
        assert set(bin_of(p, 7, by)) <= set(range(7))
    assert ece(y, y) == 0.0
    assert ece(1 - y, y) == 1.0


def test_what_is_refused():
    one = np.array([1.0])
    with pytest.raises(ValueError, match="confidences must lie between 0 and 1"):
        ece(np.array([1.2]), one)
    with pytest.raises(ValueError, match="outcomes must be 0 or 1"):
        brier(one, np.array([0.5]))
    with pytest.raises(ValueError, match="one outcome for each confidence"):
        reliability(one, np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="by must be 'width' or 'mass', got 'size'"):
        ece(one, one, by="size")
    with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
        bin_of(one, 0)


@pytest.mark.parametrize("p", [-0.1, 1.5, np.nan])
def test_bins_are_of_probabilities(p):
    with pytest.raises(ValueError, match="bin_of: confidences must lie between 0 and 1"):
        bin_of(np.array([0.5, p]))
