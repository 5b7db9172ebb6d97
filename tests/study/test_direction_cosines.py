"""Cosines of mean differences: known answers, intervals that hold them, and no gap where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.study.direction_cosines import cosine_gap, cosines_by_layer

RNG = np.random.default_rng(0)
CODES = np.repeat(np.arange(12), 3)
NOISE = {name: 0.3 * RNG.normal(size=(36, 2, 20)) for name in "abc"}
SHARED, OWN = np.eye(20)[0], np.eye(20)[1]


def found():
    # at layer 0 a and b share a direction that c lacks; at layer 1 all three share it
    x = {name: noise.copy() for name, noise in NOISE.items()}
    x["a"] += 4 * SHARED
    x["b"] += 4 * SHARED
    x["c"][:, 0] += 4 * OWN
    x["c"][:, 1] += 4 * SHARED
    return cosines_by_layer(
        x, {"ab": ("a", "b"), "ac": ("a", "c")}, CODES, rng=np.random.default_rng(1), draws=200
    )


def test_cosines_are_those_of_the_means():
    frame, drawn = found()
    at = frame.set_index(["series", "layer"])
    assert at.loc[("ab", 0), "value"] > 0.98 > 0.2 > abs(at.loc[("ac", 0), "value"])
    assert at.loc[("ac", 1), "value"] > 0.98
    assert (frame["low"] <= frame["value"] + 0.02).all()
    means = [(NOISE[n][:, 0] + 4 * v).mean(0) for n, v in (("a", SHARED), ("c", OWN))]
    wanted = means[0] @ means[1] / np.prod(np.linalg.norm(means, axis=1))
    assert drawn["ac"][0, 0] == pytest.approx(wanted)
    assert drawn["ab"].shape == (201, 2)


def test_gap_where_there_is_one_and_none_where_there_is_none():
    _, drawn = found()
    rows = np.random.default_rng(2).normal(size=(36, 20))
    there, none = (
        cosine_gap(drawn["ab"][:, k], drawn["ac"][:, k], rows, 12, rng=np.random.default_rng(3))
        for k in (0, 1)
    )
    assert there.value > 0.8
    assert there.p < 0.02
    assert there.interval[0] > 0.5
    assert abs(none.value) < 0.05
    assert abs(there.null.mean) < 0.1
    assert not there.warnings
    few = cosine_gap(drawn["ab"][:, 0], drawn["ac"][:, 0], rows, 4, rng=np.random.default_rng(3))
    assert few.warnings == ("Intervals rest on 4 groups only.",)
