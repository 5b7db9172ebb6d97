"""Averages over data sets with groups of their own."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.averages import average, average_evidence
from inscape.core.jackknife import Jackknife


def sets(rng, shift=0.0):
    sizes = (12, 20)
    return [
        Jackknife.mean(shift + rng.normal(size=3 * k), np.repeat(np.arange(k), 3)) for k in sizes
    ]


def test_the_variance_is_that_of_a_mean_of_independent_statistics():
    one, two = sets(np.random.default_rng(0))
    both = average([one, two])
    assert both.value == pytest.approx((one.value + two.value) / 2)
    assert both.variance == pytest.approx((one.variance + two.variance) / 4)
    assert 16 < both.effective < 32.1


def test_a_null_gives_a_p_or_where_it_is_expensive_an_interval_of_the_gain():
    rng = np.random.default_rng(1)
    null = [sets(rng) for _ in range(39)]
    cheap = average_evidence("x", sets(rng, 2.0), null=null, kind="noise")
    assert (cheap.p, cheap.over_null) == (pytest.approx(1 / 40), None)
    dear = average_evidence("x", sets(rng, 2.0), null=null[:5], kind="noise", expensive=True)
    assert dear.p is None
    assert dear.over_null[0] > 1
    none = average_evidence("x", sets(rng), null=null[:5], kind="noise", expensive=True)
    assert none.over_null[0] < 0
    low = average_evidence("x", sets(rng, 2.0), null=null, kind="noise", direction="lower")
    assert low.p == 1.0
