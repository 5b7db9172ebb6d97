"""Two means of one sequence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from inscape.core.contrast import contrast


def test_the_interval_is_near_that_of_welch_and_the_null_near_zero():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(1, 1, 20), rng.normal(0, 1, 15)])
    first = np.arange(35) < 20
    e = contrast("x", x, first, ~first, rng=rng)
    theirs = ttest_ind(x[:20], x[20:], equal_var=False)
    assert e.value == pytest.approx(x[:20].mean() - x[20:].mean())
    assert e.interval == pytest.approx(tuple(theirs.confidence_interval()), abs=0.15)
    assert abs(e.null.mean) < 0.1
    assert e.p == pytest.approx(theirs.pvalue / 2, abs=0.02)


def test_few_items_give_no_interval_and_flat_ones_no_p():
    x = np.array([3.0, 2.0, 1.0, 0.0])
    e = contrast("x", x, x > 1, x < 1, rng=np.random.default_rng(0), draws=99)
    assert e.interval is None
    assert "needs at least 3" in e.warnings[0]
    assert (
        contrast(
            "x", np.ones(9), x[0] == np.arange(9), np.arange(9) > 3, rng=np.random.default_rng(0)
        ).p
        == 1.0
    )


def test_a_claim_of_less_is_tested_on_the_other_side():
    x = np.arange(12.0)
    p = {
        side: contrast(
            "x", x, x > 5, x < 4, rng=np.random.default_rng(0), draws=99, direction=side
        ).p
        for side in ("higher", "lower")
    }
    assert p == {"higher": 0.01, "lower": 1.0}
