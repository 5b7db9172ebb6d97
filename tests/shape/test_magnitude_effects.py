"""The three effects on lines whose form is known, and none where there is no order."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress

from inscape.shape.magnitude_effects import (
    distance_effect,
    every_effect,
    number_line,
    ratio_effect,
    size_effect,
)

X = np.arange(1, 10)


def on_a_line(position):
    return 1 - np.abs(position[:, None] - position) / 10


def test_a_linear_line_has_distances_and_no_size():
    s = on_a_line(X.astype(float))
    assert distance_effect(s, X) == pytest.approx(1)
    assert abs(size_effect(s, X)) < 1e-9
    assert np.corrcoef(number_line(s), X)[0, 1] ** 2 == pytest.approx(1)


def test_a_logarithmic_line_has_sizes_and_ratios():
    s = on_a_line(np.log(X))
    assert size_effect(s, X) > 0.6
    assert ratio_effect(s, X) > 0.95 > distance_effect(s, X) > 0.5
    line = number_line(s)
    assert np.corrcoef(line, np.log(X))[0, 1] ** 2 > np.corrcoef(line, X)[0, 1] ** 2 + 0.02


def test_the_sign_is_that_of_the_slope():
    s = on_a_line(X.astype(float))
    assert distance_effect(-s, X) == pytest.approx(-1)
    assert ratio_effect(-on_a_line(np.log(X)), X) < 0


def test_it_is_the_regression_for_many_matrices_at_once():
    rng = np.random.default_rng(0)
    s = rng.normal(size=(4, 9, 9))
    s = s + s.swapaxes(1, 2)
    i, j = np.triu_indices(9, 1)
    found = distance_effect(s, X)
    for k in range(4):
        fit = linregress(np.abs(X[i] - X[j]), s[k][i, j])
        assert found[k] == pytest.approx(-np.sign(fit.slope) * fit.rvalue**2)
    assert np.abs(found).max() < 0.3


def test_a_row_has_every_effect_and_p_counts_orders_that_are_as_far():
    rng = np.random.default_rng(2)
    s = on_a_line(np.log(X)) + 0.02 * (lambda e: e + e.T)(rng.normal(size=(9, 9)))
    orders = [rng.permutation(X) for _ in range(60)] + [X, X[::-1]]
    row = every_effect(s, X, orders)
    for name, effect in (
        ("distance", distance_effect),
        ("size", size_effect),
        ("ratio", ratio_effect),
    ):
        assert row[name] == effect(s, X)
        as_far = sum(effect(s, order) >= row[name] for order in orders)
        assert as_far >= 1  # the order itself is among them
        assert row[f"p of {name}"] == pytest.approx((1 + as_far) / 63)
    assert row["p of distance"] < 0.1
    assert row["MDS, log"] > row["MDS, linear"] > 0.5
    mixed = every_effect(on_a_line(rng.permutation(X).astype(float)), X, orders)
    assert mixed["p of distance"] > 0.1
    assert mixed["MDS, linear"] < 0.5


def test_refusals():
    s = on_a_line(X.astype(float))
    with pytest.raises(ValueError, match="distance_effect: needs a similarity for each pair"):
        distance_effect(s, X[:4])
    with pytest.raises(ValueError, match="size_effect: 1 pairs are 8 apart"):
        size_effect(s, X, 8.0)
    with pytest.raises(ValueError, match="magnitudes must be above 0"):
        ratio_effect(s, X - 1)


@pytest.mark.parametrize("effect", [distance_effect, size_effect, ratio_effect])
def test_similarities_that_are_no_numbers_or_not_symmetric_are_refused(effect):
    x = np.arange(1, 6)
    s = 1 - np.abs(x[:, None] - x) / 9
    assert np.isfinite(effect(s, x))
    with pytest.raises(ValueError, match="similarity holds NaN or infinite numbers"):
        effect(np.where(s < 0.6, np.nan, s), x)
    with pytest.raises(ValueError, match="similarity is not symmetric; give the mean"):
        effect(np.triu(s), x)


def test_orders_are_the_values_themselves():
    x = np.array([2, 3, 4, 5, 6])
    s = 1 - np.abs(x[:, None] - x) / 9
    with pytest.raises(ValueError, match=r"1 orders \(first: 1\) are no permutations of values"):
        every_effect(s, x, [x[::-1], np.array([4, 3, 2, 1, 0])])
