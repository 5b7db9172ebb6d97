"""Means by layer are those of a `Measured` of the same items."""

from __future__ import annotations

import numpy as np

from inscape.core.layer_means import layer_means
from inscape.core.measured import Measured


def test_each_layer_has_its_mean_and_the_interval_over_groups():
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=(3, 60)) + np.arange(3)[:, None], np.repeat(np.arange(12), 5)
    found = layer_means("norm", values, groups, first=-1, unit="nats", where={"series": "state"})
    assert [e.where for e in found] == [{"series": "state", "layer": i} for i in (-1, 0, 1)]
    for e, row in zip(found, values, strict=True):
        alone = Measured("norm", groups=groups)
        alone.put("x", row)
        assert (e.value, e.interval) == (alone.value("x").value, alone.value("x").interval)
        assert e.unit == "nats"
    assert found[2].value > found[0].value + 1
