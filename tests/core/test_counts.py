"""Counts of measurements beyond a threshold."""

from __future__ import annotations

import numpy as np

from inscape.core.counts import count, kth_highest
from inscape.core.evidence import Evidence


def test_value_and_ends_count_values_and_ends():
    found = [
        Evidence("a", 0.9, (0.85, 1.0), n=3),
        Evidence("b", 0.82, (0.7, 0.9), n=4, warnings=("few groups",)),
        Evidence("c", 0.6, (0.5, 0.81)),
        Evidence("d", 0.95, (0.9, 1.0)),
        Evidence("e", 0.99),
    ]
    null = np.full((19, 5), 0.5)
    null[0, [0, 3]] = 0.9
    counted = [True, True, True, False, True]
    e = count("x", found, 0.8, unit="features", counted=counted, null=null, kind="shuffled")
    assert (e.value, e.interval, e.n) == (3, (1, 4), 7)  # no interval may be anything
    assert e.null.draws == 19
    assert e.null.mean == 1 / 19  # what may not be counted is not counted under the null
    assert e.p == 1 / 20
    assert e.warnings == ("few groups",)
    assert count("x", found, 0.8, unit="features").p is None


def test_the_kth_highest_is_beyond_a_criterion_where_k_are():
    found = [
        Evidence("a", 5.0, (1.0, 9.0), n=2),
        Evidence("b", 4.0, (3.0, 5.0), n=2),
        Evidence("c", 3.0, (2.5, 3.5), n=2),
    ]
    e = kth_highest("second", found, 2, unit="times")
    assert (e.value, e.interval, e.n) == (4.0, (2.5, 5.0), 6)
    none = kth_highest("second", [*found[:1], Evidence("d", 9.0)], 2, unit="times")
    assert none.interval is None
    assert "Fewer than 2" in none.warnings[0]
    few = kth_highest("fourth", found, 4, unit="times")
    assert np.isnan(few.value)
    assert "Only 3 of 4" in few.warnings[0]
