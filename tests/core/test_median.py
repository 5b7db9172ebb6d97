"""The median's interval holds the median as often as it says, for skewed items too."""

from __future__ import annotations

import numpy as np

from inscape.core.median import median_evidence


def test_the_interval_covers():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(600):
        low, high = median_evidence("x", rng.exponential(size=80)).ends
        held.append(low <= np.log(2) <= high)
    assert 0.92 < np.mean(held) < 0.98


def test_fields_are_kept_and_few_items_give_the_whole_range():
    e = median_evidence("x", np.array([3.0, 1.0]), unit="nats", where={"layer": 2})
    assert (e.value, e.interval, e.unit, e.n) == (2.0, (1.0, 3.0), "nats", 2)
    assert e.where == {"layer": 2}
