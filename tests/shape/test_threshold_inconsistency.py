"""One threshold for all classes: by loops, at its limits, and what makes it worse."""

import numpy as np
import pytest

from inscape.shape.threshold_inconsistency import threshold_inconsistency


def classes(spread, n=30, d=8, seed=0):
    """Classes about far centres, each with its own spread."""
    rng = np.random.default_rng(seed)
    centres = 5 * np.linalg.qr(rng.normal(size=(d, d)))[0][: len(spread)]
    rows = [c + s * rng.normal(size=(n, d)) for c, s in zip(centres, spread, strict=True)]
    return np.concatenate(rows), np.repeat(np.arange(len(spread)), n)


def test_it_is_what_loops_over_pairs_give():
    x, y = classes((0.5, 1.0, 2.0), n=8)
    found = threshold_inconsistency(x, y, steps=7)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    far = 1 - unit @ unit.T
    n = len(x)
    apart = [far[i, j] for i in range(n) for j in range(n) if y[i] != y[j]]
    assert found.thresholds[[0, -1]] == pytest.approx(np.quantile(apart, [1e-3, 0.1]))
    utility = np.empty((3, 7))
    for c in range(3):
        for k, t in enumerate(found.thresholds):
            inside = [far[i, j] <= t for i in range(n) for j in range(i) if y[i] == y[j] == c]
            outside = [far[i, j] > t for i in range(n) for j in range(n) if y[i] == c != y[j]]
            a, b = np.mean(inside), np.mean(outside)
            utility[c, k] = 2 * a * b / (a + b)
    assert found.utility == pytest.approx(utility)
    assert found.score == pytest.approx(np.var(utility, axis=0).mean())
    order = np.argsort(utility.mean(axis=1))
    gap = utility[order[-1]] - utility[order[0]]
    assert found.contrast == pytest.approx(np.mean(gap**2))


def test_classes_alike_are_served_alike_and_unlike_spreads_are_not():
    even = [threshold_inconsistency(*classes((1.0,) * 6, seed=s)).score for s in range(3)]
    uneven = [threshold_inconsistency(*classes((0.3, 2.0) * 3, seed=s)).score for s in range(3)]
    assert min(uneven) > 5 * max(even)


def test_scale_and_rotation_change_nothing():
    x, y = classes((0.5, 1.5, 1.0))
    turn = np.linalg.qr(np.random.default_rng(9).normal(size=(8, 8)))[0]
    one, other = threshold_inconsistency(x, y), threshold_inconsistency(3 * x @ turn, y + 7)
    assert one.score == pytest.approx(other.score)


def test_bad_input_is_refused():
    x, y = classes((1.0, 1.0))
    with pytest.raises(ValueError, match="two classes"):
        threshold_inconsistency(x, np.zeros(len(x)))
    with pytest.raises(ValueError, match="0 < least < most < 1"):
        threshold_inconsistency(x, y, least=0.2)
    x[0] = 0
    with pytest.raises(ValueError, match="a row is zero"):
        threshold_inconsistency(x, y)


def test_rows_of_the_utility_are_classes_as_they_first_appear():
    x, y = classes((0.5, 2.0), n=8)
    one = threshold_inconsistency(x, y, steps=5).utility
    two = threshold_inconsistency(x[::-1].copy(), y[::-1].copy(), steps=5).utility
    assert np.abs(one[0] - one[1]).max() > 0.01
    assert two == pytest.approx(one[::-1])


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 2.0}, {"steps": 0}])
def test_shares_and_steps_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="share must be above 0 and at most 1, and steps"):
        threshold_inconsistency(*classes((0.5, 2.0), n=4), **wrong)
