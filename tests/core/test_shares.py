"""Shares: ratios of sums, their intervals and nulls."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.evidence import Null
from inscape.core.shares import Shares, bars


def shares(n=200, groups=20, **options) -> Shares:
    return Shares(np.repeat(np.arange(groups), n // groups), np.random.default_rng(0), **options)


def test_the_value_is_the_ratio_and_the_interval_holds_it():
    rng = np.random.default_rng(1)
    part, whole = rng.random(200), np.ones(200)
    found = shares().evidence("mean", part, whole)
    assert found.value == pytest.approx(part.mean())
    assert found.interval[0] < found.value < found.interval[1]
    assert found.n == 200


def test_dependence_within_groups_widens_the_interval():
    rng = np.random.default_rng(1)
    alone, together = rng.normal(size=200), np.repeat(rng.normal(size=20), 10)
    width = [
        np.subtract(*shares().evidence("", x, np.ones(200)).interval) for x in (alone, together)
    ]
    assert abs(width[1]) > 2 * abs(width[0])


def test_a_share_that_all_groups_have_alike_has_the_width_of_its_rows():
    found = shares().evidence("", np.full(200, 0.3), np.ones(200))
    low, high = found.interval
    assert low < 0.3 < high
    assert high - low < 0.2


def test_draws_of_the_null_give_p():
    found = shares().evidence("", np.ones(200), np.ones(200), draws=np.zeros(19), kind="nothing")
    assert found.p == pytest.approx(1 / 20)
    assert found.null.kind == "nothing"
    assert shares().evidence("", np.zeros(200), np.ones(200), draws=np.zeros(19)).p == 1.0


def test_few_groups_are_said():
    assert "only 4 groups" in shares(groups=4).evidence("", np.ones(200), np.ones(200)).warnings[0]
    assert not any(
        "groups" in w
        for w in shares().evidence("", np.random.default_rng(0).random(200), np.ones(200)).warnings
    )


def test_nothing_of_nothing_is_not_a_number():
    assert np.isnan(shares().value(np.ones(3), np.zeros(3)))


def test_bars_carry_interval_and_null():
    found = shares().evidence(
        "", np.ones(200), np.ones(200), Null.of("n", [0.4, 0.6]), where={"bar": "a"}
    )
    bare = shares().evidence("", np.ones(200), np.ones(200), where={"bar": "b"})
    frame = bars([found, bare], "bar")
    assert frame["group"].tolist() == ["a", "b"]
    assert frame["null"].tolist()[0] == 0.5
    assert np.isnan(frame["null"].tolist()[1])


def test_a_claim_of_less_is_tested_on_the_other_side():
    part, whole = np.full(200, 0.1), np.ones(200)
    drawn = np.linspace(0.4, 0.6, 99)
    p = {
        side: shares().evidence("", part, whole, draws=drawn, kind="draws", direction=side).p
        for side in ("higher", "lower")
    }
    assert p == {"higher": 1.0, "lower": 0.01}
