"""Cosines of mean differences: known answers, a jackknife that leaves groups out, and no gap where
there is none.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.control.direction_cosines import (
    contrast_direction,
    cosines_beside_random,
    cosines_by_layer,
    mean_direction,
    random_gaps,
)
from inscape.core.measured import Measured

RNG = np.random.default_rng(0)
CODES = np.repeat(np.arange(12), 3)
NOISE = {name: 0.3 * RNG.normal(size=(36, 2, 20)) for name in "abc"}
SHARED, OWN = np.eye(20)[0], np.eye(20)[1]
PAIRS = {"ab": ("a", "b"), "ac": ("a", "c")}


def rows():
    # at layer 0 a and b share a direction that c lacks; at layer 1 all three share it
    x = {name: noise.copy() for name, noise in NOISE.items()}
    x["a"] += 4 * SHARED
    x["b"] += 4 * SHARED
    x["c"][:, 0] += 4 * OWN
    x["c"][:, 1] += 4 * SHARED
    return x


def test_cosines_are_those_of_the_means_with_and_without_each_group():
    x = rows()
    frame, found = cosines_by_layer(
        {name: mean_direction(v, CODES) for name, v in x.items()}, PAIRS, CODES
    )
    at = frame.set_index(["series", "layer"])
    assert at.loc[("ab", 0), "value"] > 0.98 > 0.2 > abs(at.loc[("ac", 0), "value"])
    assert at.loc[("ac", 1), "value"] > 0.98
    assert (frame["low"] <= frame["value"]).all()
    assert (frame["value"] <= frame["high"]).all()

    def slow(keep):
        a, c = x["a"][keep, 0].mean(0), x["c"][keep, 0].mean(0)
        return a @ c / (np.linalg.norm(a) * np.linalg.norm(c))

    assert found["ac"][0].value == pytest.approx(slow(CODES >= 0))
    assert found["ac"][0].without[5] == pytest.approx(slow(CODES != 5))


def test_a_contrast_is_a_difference_of_class_means_also_without_a_group():
    x, y = NOISE["a"], RNG.random(36) < 0.4
    y[CODES == 3] = False
    d = contrast_direction(x, y, CODES)
    assert d.shape == (13, 2, 20)
    for row, keep in ((0, CODES >= 0), (8, CODES != 7)):
        wanted = x[keep & y].mean(0) - x[keep & ~y].mean(0)
        assert d[row] == pytest.approx(wanted)
    alone = contrast_direction(x, CODES == 3, CODES)
    assert np.isnan(alone[4]).all()
    assert np.isfinite(alone[0]).all()


def test_gap_where_there_is_one_and_none_where_there_is_none():
    directions = {name: mean_direction(v, CODES) for name, v in rows().items()}
    _, found = cosines_by_layer(directions, PAIRS, CODES)
    null = random_gaps(np.random.default_rng(2).normal(size=(36, 20)), rng=RNG)
    assert null.shape == (499,)
    assert abs(null.mean()) < 0.1
    gaps = []
    for layer in (0, 1):
        m = Measured("cosine")
        for series, cosines in found.items():
            m.put_statistic(series, cosines[layer])
        m.put_draws("random", null)
        gaps.append(m.gain("ab", over="ac", null="random"))
    there, none = gaps
    assert there.value > 0.8
    assert there.p < 0.02
    assert there.interval[0] > 0.5
    assert abs(none.value) < 0.05
    assert none.p > 0.2


def test_cosines_at_one_layer_are_judged_against_random_directions():
    x = rows()
    _, found = cosines_by_layer(
        {name: mean_direction(v, CODES) for name, v in x.items()}, PAIRS, CODES
    )
    here = {series: cosines[0] for series, cosines in found.items()}
    noise = NOISE["a"][:, 0]
    m = cosines_beside_random(here, noise, "random", rng=np.random.default_rng(1), draws=99)
    e = m.gain("ab", over="ac", null="random")
    assert e.value == pytest.approx(here["ab"].value - here["ac"].value)
    assert e.p == pytest.approx(0.01)
    assert e.null.draws == 99
    none = m.gain("ac", over="ab", null="random")
    assert none.p > 0.9


@pytest.mark.parametrize("y", [np.arange(6) % 2, np.ones(6, dtype=bool), np.zeros(6, dtype=bool)])
def test_a_contrast_is_of_true_and_false(y):
    x = np.random.default_rng(0).normal(size=(6, 2, 3))
    with pytest.raises(ValueError, match="y must say True or False of each of 6 rows, both"):
        contrast_direction(x, y, np.arange(6))
