"""Shares of layers at which a mean is above zero."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from inscape.core.share_above import share_above

FLIPS = {"kind": "signs flipped", "flips": 99}


def test_each_layer_is_tested_as_by_a_t_test_of_independent_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 50)) + np.linspace(0, 0.8, 40)[:, None]
    slow = np.mean([ttest_1samp(row, 0, alternative="greater").pvalue < 0.01 for row in x])
    e = share_above("x", x, np.arange(50), rng=rng, level=0.01, **FLIPS)
    assert e.value == pytest.approx(slow, abs=0.05)
    assert 0.2 < e.value < 0.9
    assert e.interval[0] <= e.value <= e.interval[1]
    assert e.p == pytest.approx(0.01)
    plain = share_above("x", x, np.arange(50), rng=rng, **FLIPS)
    assert plain.value == (x.mean(axis=1) > 0).mean() > e.value


def test_noise_and_clusters_are_not_taken_for_an_effect():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), 30)
    shifts = rng.normal(size=(60, 20))[:, groups]
    x = shifts + 0.1 * rng.normal(size=(60, 600))
    e = share_above("x", x, groups, rng=rng, level=0.01, **FLIPS)
    assert e.value < 0.07
    rows = share_above("x", x, np.arange(600), rng=rng, level=0.01, **FLIPS)
    assert rows.value > 0.2  # where clusters are not said


def test_few_draws_give_the_interval_of_the_gain_over_them():
    rng = np.random.default_rng(2)
    codes = np.arange(80) // 4
    half = (np.arange(20) < 10)[:, None]
    up = rng.normal(size=(20, 80)) + 3
    null = np.stack([rng.normal(size=(20, 80)) + np.where(half, 3, -3) for _ in range(5)])
    e = share_above("x", up, codes, rng=rng, kind="random steps", null=null)
    assert (e.value, e.null.mean, e.p) == (1.0, 0.5, None)
    assert e.over_null == (0.5, 0.5)
    same = share_above("x", null[0], codes, rng=rng, kind="random steps", null=null)
    assert same.over_null == (0.0, 0.0)
    with pytest.raises(ValueError, match="five draws of its null or more"):
        share_above("x", up, codes, rng=rng, kind="random steps", null=null[:4])


def test_a_claim_of_less_is_tested_on_the_other_side():
    x = np.random.default_rng(4).normal(size=(30, 40)) - 1
    p = {
        side: share_above(
            "x", x, np.arange(40), rng=np.random.default_rng(0), direction=side, **FLIPS
        ).p
        for side in ("higher", "lower")
    }
    assert p["higher"] == 1.0  # no share is less than none
    assert p["lower"] < 0.2
