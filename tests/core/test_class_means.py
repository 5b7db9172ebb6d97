"""Means by class: known numbers, and the interval of a `Measured` of those items alone."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.class_means import class_means
from inscape.core.measured import Measured


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_each_class_has_the_mean_and_the_interval_of_its_own_items(rng):
    groups, classes = np.repeat(np.arange(20), 5), np.tile(list("ababc"), 20)
    values = rng.normal(size=100) + 3.0 * (classes == "b")
    found = class_means("height", values, classes, groups, unit="m", by="kind", where={"at": 3})
    assert [e.where for e in found] == [{"kind": c, "at": 3} for c in "abc"]
    for e in found:
        inside = classes == e.where["kind"]
        alone = Measured("height", groups=groups[inside], unit="m")
        alone.put("x", values[inside])
        assert (e.value, e.interval) == (alone.value("x").value, alone.value("x").interval)
        assert (e.unit, e.n) == ("m", int(inside.sum()))
    assert found[1].value > found[0].value + 2


def test_classes_come_in_the_order_asked_for_and_those_without_items_are_left_out(rng):
    found = class_means("x", rng.normal(size=4), list("aabb"), range(4), order=("c", "b", "a"))
    assert [e.where["class"] for e in found] == ["b", "a"]
