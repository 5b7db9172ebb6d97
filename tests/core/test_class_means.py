"""Means by class: known numbers, and the interval of a `Measured` of those items alone."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.class_means import class_means, class_ratio
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


def test_a_ratio_of_class_means_has_classes_shuffled_by_group_as_its_null():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 3)
    first = groups % 2 == 0
    x = np.where(first, 3.0, 1.0) * (1 + 0.1 * rng.normal(size=90))
    how = {"kind": "shuffled", "draws": 99}
    e = class_ratio("x", x, first, groups, rng=rng, **how)
    assert e.value == pytest.approx(x[first].mean() / x[~first].mean())
    assert e.interval[0] < e.value < e.interval[1]
    assert (e.p, e.null.draws, e.unit) == (0.01, 99, "times")
    none = class_ratio("x", rng.random(90) + 1, first, groups, rng=rng, **how)
    assert none.p > 0.02
    assert none.null.mean == pytest.approx(1, abs=0.1)


def test_ones_and_zeros_are_the_classes_that_true_and_false_are():
    x, top = np.repeat([4.0, 2.0], 6), np.arange(12) < 6
    one, other = (
        class_ratio("x", x, of, range(12), kind="s", draws=9, rng=np.random.default_rng(0))
        for of in (top, top.astype(int))
    )
    assert (one.value, one.p) == (other.value, other.p)
    with pytest.raises(ValueError, match="class_ratio: first must say True or False of each of 12"):
        class_ratio(
            "x", x, np.arange(12), range(12), kind="s", draws=9, rng=np.random.default_rng(0)
        )
    with pytest.raises(ValueError, match="all items are of one class, and a ratio is of two"):
        class_ratio("x", x, x > 0, range(12), kind="s", draws=9, rng=np.random.default_rng(0))
