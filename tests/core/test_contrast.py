"""Two means of one sequence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from inscape.core.contrast import contrast


def test_the_interval_is_near_that_of_welch():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(1, 1, 20), rng.normal(0, 1, 15)])
    first = np.arange(35) < 20
    e = contrast("x", x, first, ~first)
    theirs = ttest_ind(x[:20], x[20:], equal_var=False)
    assert e.value == pytest.approx(x[:20].mean() - x[20:].mean())
    assert e.interval == pytest.approx(tuple(theirs.confidence_interval()), abs=0.15)


def test_p_is_the_share_of_places_to_begin_at():
    x = np.array([5.0, 4.0, 6.0, 1.0, 0.0, 2.0, 3.0, 1.0])
    first = np.arange(8) < 3
    gaps = [np.roll(x, k)[first].mean() - np.roll(x, k)[~first].mean() for k in range(8)]
    e = contrast("x", x, first, ~first)
    assert e.p == pytest.approx(np.mean(np.array(gaps) >= gaps[0] - 1e-12))
    assert e.null.mean == pytest.approx(np.mean(gaps[1:]))


def test_smooth_series_without_a_trend_pass_less_often_than_by_shuffles():
    rng = np.random.default_rng(0)
    first, second = np.arange(30) < 15, np.arange(30) >= 23
    passed = {"turned": 0, "shuffled": 0}
    for _ in range(60):
        steps = rng.normal(size=230)
        x = np.zeros(230)
        for t in range(1, 230):
            x[t] = 0.9 * x[t - 1] + steps[t]
        x = x[200:]
        e = contrast("x", x, first, second)
        passed["turned"] += e.p <= 0.05
        others = np.array([rng.permutation(x) for _ in range(99)])
        null = others[:, first].mean(axis=1) - others[:, second].mean(axis=1)
        passed["shuffled"] += (1 + (null >= e.value).sum()) / 100 <= 0.05
    assert passed["turned"] < passed["shuffled"]


def test_few_items_give_no_interval_and_flat_ones_no_p():
    x = np.array([3.0, 2.0, 1.0, 0.0])
    e = contrast("x", x, x > 1, x < 1)
    assert e.interval is None
    assert "needs at least 3" in e.warnings[0]
    assert contrast("x", np.ones(9), np.arange(9) < 1, np.arange(9) > 3).p == 1.0


def test_a_claim_of_less_is_tested_on_the_other_side():
    x = np.arange(12.0)
    p = {side: contrast("x", x, x > 5, x < 4, direction=side).p for side in ("higher", "lower")}
    assert p == {"higher": pytest.approx(1 / 12), "lower": 1.0}
