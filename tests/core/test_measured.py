"""One outcome under several conditions: paired differences, nulls that are distributions, and few
draws said honestly.
"""

from dataclasses import replace

import numpy as np
import pytest

from inscape.core.intervals import group_interval, interval, paired_interval
from inscape.core.jackknife import Jackknife, over_groups
from inscape.core.measured import Measured, fact, over_draws


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def groups():
    return np.repeat(np.arange(40), 5)


def test_a_value_is_the_statistic_with_the_interval_over_groups(rng, groups):
    x = rng.normal(size=200) + np.repeat(rng.normal(size=40), 5)
    m = Measured("x", groups=groups, unit="nats")
    m.put("model", x)
    e = m.value("model")
    expected = group_interval(x, groups)
    assert e.value == pytest.approx(x.mean())
    assert e.interval == (expected.low, expected.high)
    assert (e.unit, e.n, e.null, e.p) == ("nats", 200, None, None)


def test_a_gain_is_paired(rng, groups):
    hard = np.repeat(rng.normal(size=40), 5) * 5
    a, b = hard + 1 + 0.1 * rng.normal(size=200), hard + 0.1 * rng.normal(size=200)
    m = Measured("x", groups=groups)
    m.put("a", a)
    m.put("b", b, role="baseline")
    e = m.gain("a", over="b")
    expected = paired_interval(a, b, groups)
    assert e.value == pytest.approx((a - b).mean())
    assert e.interval == pytest.approx((expected.low, expected.high))
    width = e.interval[1] - e.interval[0]
    alone = m.value("a").interval
    assert width < 0.1 * (alone[1] - alone[0])
    assert [(s.role, s.name) for s in e.beside] == [("baseline", "b")]
    assert m.fall("b", below="a").value == pytest.approx(e.value)


def test_a_share_of_the_start_and_of_a_ceiling(rng, groups):
    start = (rng.random(200) < 0.8).astype(float)
    m = Measured("wrong", groups=groups)
    m.put("model", start, role="reference")
    m.put("trained", start * (rng.random(200) < 0.3))
    m.put("oracle", np.zeros(200), role="ceiling")
    share = m.fall("trained", below="model", of="model")
    left = m.value("trained").value
    assert share.value == pytest.approx(1 - left / start.mean())
    of_oracle = m.fall("trained", below="model", of=("model", "oracle"))
    assert of_oracle.value == pytest.approx(share.value)


def test_every_draw_of_a_null_takes_the_place_of_the_condition(rng, groups):
    start = rng.normal(size=200)
    m = Measured("x", groups=groups)
    m.put("model", start, role="reference")
    m.put("steered", start + 1)
    m.put("random", start + rng.normal(size=(99, 1)) * 0.1, role="null")
    e = m.gain("steered", over="model", null="random")
    assert e.p == 1 / 100
    assert e.null.draws == 99
    assert abs(e.null.mean) < 0.1
    down = m.gain("steered", over="model", null="random", direction="lower")
    assert down.p == 1.0


def test_under_the_null_p_is_uniform(rng, groups):
    small = 0
    for _ in range(200):
        m = Measured("x", groups=groups)
        m.put("model", rng.normal(size=200))
        m.put("same", rng.normal(size=(19, 200)), role="null")
        small += m.value("model", null="same").p <= 0.1
    assert 7 <= small <= 35  # 20 expected, standard error 4.2


def test_few_expensive_draws_give_an_interval_and_no_p(rng, groups):
    start = rng.normal(size=200)
    m = Measured("x", groups=groups)
    m.put("trained", start + 1 + 0.1 * rng.normal(size=200))
    m.put("shuffled", start + 0.1 * rng.normal(size=(5, 200)), role="null", expensive=True)
    e = m.value("trained", null="shuffled")
    assert e.p is None
    assert e.over_null[0] < 1 < e.over_null[1]
    assert e.over_null[0] > 0.5
    # draws that differ widely make it uncertain, however many rows there are
    wide = Measured("x", groups=groups)
    wide.put("trained", start + 1)
    wide.put("shuffled", start + 4 * rng.normal(size=(5, 1)), role="null", expensive=True)
    assert wide.value("trained", null="shuffled").over_null[0] < 0


def test_draws_of_a_condition_add_their_own_variance(rng, groups):
    x = rng.normal(size=200)
    same, wide = Measured("x", groups=groups), Measured("x", groups=groups)
    same.put("random", np.tile(x, (6, 1)), role="baseline")
    wide.put("random", x + 3 * np.arange(-2.5, 3)[:, None], role="baseline")
    a, b = same.value("random"), wide.value("random")
    assert a.value == pytest.approx(b.value)
    once = group_interval(x, groups)
    assert a.interval == pytest.approx((once.low, once.high))
    assert b.interval[1] - b.interval[0] > 3 * (a.interval[1] - a.interval[0])
    assert over_draws(wide.conditions["random"].mean, [1.0]) is not None


def test_auc_and_r2_go_through_the_same_object(rng, groups):
    y = rng.random(200) < 0.5
    m = Measured("AUC", groups=groups, kind="auc")
    m.put("states", y + rng.normal(size=200), y)
    m.put("shuffled", rng.normal(size=(50, 200)), y, role="null")
    e = m.value("states", null="shuffled")
    assert e.value > 0.65
    assert e.null.mean == pytest.approx(0.5, abs=0.05)
    r = Measured("R²", groups=groups, kind="r2")
    r.put("probe", np.full(200, 0.5), np.ones(200))
    assert r.value("probe").value == pytest.approx(0.5)


def test_the_table_has_a_row_for_every_condition_but_nulls(rng, groups):
    m = Measured("x", groups=groups, where={"site": "a"})
    m.put("model", rng.normal(size=200), role="reference")
    m.put("steered", rng.normal(size=200))
    m.put("random", rng.normal(size=(9, 200)), role="null")
    frame = m.table(null="random")
    assert frame["condition"].tolist() == ["model", "steered"]
    assert frame["null_draws"].tolist() == [0, 9]
    assert set(frame["site"]) == {"a"}


def test_what_cannot_be_measured_is_refused(groups):
    m = Measured("x", groups=groups)
    m.put("model", np.zeros(200))
    with pytest.raises(ValueError, match="already a condition 'model'"):
        m.put("model", np.zeros(200))
    with pytest.raises(ValueError, match="expected 200 items"):
        m.put("other", np.zeros(199))
    with pytest.raises(ValueError, match="needs at least 2 draws, got 1"):
        m.put("null", np.zeros(200), role="null")
    with pytest.raises(ValueError, match="needs at least 5 draws, got 4"):
        m.put("null", np.zeros((4, 200)), role="null", expensive=True)
    with pytest.raises(ValueError, match="there is no condition 'base'; there are 'model'"):
        m.gain("model", over="base")
    with pytest.raises(ValueError, match="'model' is a treatment, not a null"):
        m.value("model", null="model")


def test_any_function_of_conditions_is_paired(rng, groups):
    m = Measured("x", groups=groups)
    a, b = rng.normal(size=200), rng.normal(size=200)
    m.put("a", a)
    m.put("b", b)
    e = m.combined("mean of both", lambda *s: np.mean(s, axis=0), "a", "b")
    expected = group_interval((a + b) / 2, groups)
    assert e.interval == pytest.approx((expected.low, expected.high))
    m.put_statistic("ready", m.conditions["a"].mean)
    assert m.gain("ready", over="a").value == 0.0
    with pytest.raises(ValueError, match="already a condition 'a'"):
        m.put_statistic("a", m.conditions["a"].mean)
    with pytest.raises(ValueError, match="a null needs at least 2 draws"):
        m.put_statistic("null", m.conditions["a"].mean, role="null")


def test_statistics_of_some_groups_are_compared_over_all_of_them(rng):
    codes = np.array([0, 0, 1, 2, 2, 3])
    x = rng.normal(size=6)
    part = np.array([2, 3, 4, 5])
    some = Jackknife.mean(x[part], np.array([0, 1, 1, 2]))
    spread = over_groups(some, np.array([1, 2, 3]), 4)
    assert spread.variance == pytest.approx(some.variance)
    assert spread.effective == pytest.approx(some.effective)
    difference = Jackknife.mean(x, codes) - spread
    assert difference.without[0] == pytest.approx(x[part].mean() - x[part].mean())


def test_a_null_may_be_known_by_the_values_of_the_whole_formula(rng, groups):
    m = Measured("x", groups=groups)
    m.put("a", rng.normal(size=200) + 1)
    m.put("b", rng.normal(size=200))
    m.put_draws("shuffled", rng.normal(size=99) * 0.1)
    assert m.gain("a", over="b", null="shuffled").p == 0.01
    m.put_draws("few", rng.normal(size=5) * 0.1, expensive=True)
    e = m.gain("a", over="b", null="few")
    assert e.p is None
    assert 0 < e.over_null[0] < e.over_null[1]
    with pytest.raises(ValueError, match="needs at least 5 draws, got 4"):
        m.put_draws("fewer", np.zeros(4), expensive=True)


def test_a_statistic_that_jumps_has_the_interval_of_its_draws(rng):
    m = Measured("best layer", unit="layers", direction="lower")
    m.put_resampled("model", 3, np.arange(101.0))
    m.put_draws("shuffled", np.arange(2.0, 41.0))
    found = m.value("model", null="shuffled", where={"site": "all"})
    assert (found.value, found.interval) == (3.0, pytest.approx((2.5, 97.5)))
    assert found.p == pytest.approx(3 / 40)  # two draws are as low
    assert found.where == {"site": "all"}
    m.put_resampled("outside", 200, np.arange(101.0))
    assert m.value("outside").interval == pytest.approx((2.5, 200.0))
    assert m.value("outside").p is None
    for condition in ("model", "outside"):
        with pytest.raises(ValueError, match="already a condition"):
            m.put_resampled(condition, 1, [1, 2])
    with pytest.raises(ValueError, match="an interval needs at least 2 draws"):
        m.put_resampled("one", 1, [1])
    with pytest.raises(ValueError, match="'model' is resampled and has a value alone"):
        m.gain("model", over="outside")
    m.put_draws("few", rng.normal(size=5), expensive=True)
    for null in ("few", "absent"):
        with pytest.raises(ValueError, match=f"put by its draws, with a p-value; '{null}' is not"):
            m.value("model", null=null)


def test_the_coordinate_of_a_table_is_named(rng):
    m = Measured("score")
    m.put("a", rng.normal(size=20))
    assert m.evidence(by="input")[0].where == {"input": "a"}


def test_a_fact_has_no_interval_and_no_p():
    found = fact("largest difference", np.float64(3e-9), "value")
    assert (found.value, found.interval, found.p, found.null) == (3e-9, None, None, None)
    assert fact("a", 1.0, "", n=4, direction="lower").n == 4


def test_the_least_of_shares_has_exact_limits():
    m = Measured("solved", unit="share")
    for condition in ("a", "b"):
        m.put(condition, np.ones(40))
    least = lambda *s: np.min(s, axis=0)  # noqa: E731
    found = m.combined("least share", least, "a", "b", kind="share")
    assert found.value == 1
    assert 0.9 < found.interval[0] < found.interval[1] == 1


def test_a_combination_has_a_null_of_its_conditions_or_of_its_own_values():
    m = Measured("hits", unit="share")
    m.put("own", [1, 1, 1, 0])
    m.put("other", [1, 0, 0, 0], role="baseline")
    m.put("random", [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], role="null")
    m.put_draws("drawn", [0.0, 0.1, 0.2, 0.9])
    gap = {"name": "gap", "formula": lambda a, b: a - 2 * b}
    by_condition = m.combined(*gap.values(), "own", "other", null="random")
    assert by_condition.value == pytest.approx(0.25)
    assert by_condition.null.mean == pytest.approx(0.25 - 0.5)
    assert by_condition.p == pytest.approx(1 / 4)
    assert m.combined(*gap.values(), "own", "other", null="drawn").p == pytest.approx(2 / 5)


def test_several_conditions_are_put_as_each_by_itself(rng, groups):
    values = {name: rng.normal(size=len(groups)) for name in ("a", "b", "c")}
    each = Measured("score", groups=groups).put_each(
        values, roles={"b": "baseline"}, role="ceiling"
    )
    assert [c.role for c in each.conditions.values()] == ["ceiling", "baseline", "ceiling"]
    m = Measured("score", groups=groups)
    for name, own in values.items():
        m.put(name, own)
    for name in values:
        assert (each.value(name).value, each.value(name).interval) == (
            m.value(name).value,
            m.value(name).interval,
        )
    kept = Measured("score", groups=groups).put_each({"a": m._get("a").mean})
    assert kept.value("a").interval == m.value("a").interval


def test_conditions_on_a_grid_carry_their_coordinates(rng, groups):
    cells = {(a, layer): rng.normal(size=200) for a in ("trained", "fresh") for layer in (1, 2)}
    m = Measured("score", groups=groups, where={"data": "cities"}).put_each(
        cells, by=("network", "layer"), roles={"fresh": "baseline"}
    )
    m.put("ceiling", rng.normal(size=200), role="ceiling")
    assert [c.role for c in m.conditions.values()] == [
        *["treatment"] * 2,
        *["baseline"] * 2,
        "ceiling",
    ]
    found = m.evidence()
    assert [e.where for e in found[:4]] == [
        {"data": "cities", "network": a, "layer": layer} for a, layer in cells
    ]
    assert found[4].where == {"data": "cities", "condition": "ceiling"}
    assert (
        found[0].value == m.value("trained, 1").value == pytest.approx(cells["trained", 1].mean())
    )
    assert m.gain("trained, 2", over="fresh, 2").beside[0].name == "fresh, 2"


def test_each_condition_stands_against_the_null_and_the_null_against_none(rng):
    m = Measured("x", unit="nats")
    m.put("model", rng.normal(size=30) + 1)
    m.put("other", rng.normal(size=30), role="baseline")
    m.put("random", rng.normal(size=(19, 30)), role="null")
    found = m.each("random", by="edited")
    assert list(found) == ["model", "other", "random"]
    assert found["model"].p == pytest.approx(0.05)
    assert found["other"].null.draws == 19
    assert found["random"].null is None
    assert found["random"].where == {"edited": "random"}
    assert found["model"] == m.value("model", null="random", where={"edited": "model"})


def test_a_quantile_of_a_null_is_a_condition_of_its_own(rng, groups):
    x, draws = rng.normal(size=200) + 1, rng.normal(size=(39, 200))
    m = Measured("x", groups=groups)
    m.put("model", x)
    m.put("random", draws, role="null")
    m.put_quantile("95 % point", "random", 0.95)
    point = float(np.quantile(draws.mean(axis=1), 0.95))
    assert m.value("95 % point").value == pytest.approx(point)
    gain = m.gain("model", over="95 % point", null="random")
    assert gain.value == pytest.approx(x.mean() - point)
    assert gain.beside[0].role == "reference"
    without = draws[:, groups != 3].mean(axis=1)
    assert m.conditions["95 % point"].draws[0].without[3] == pytest.approx(
        np.quantile(without, 0.95)
    )


def test_a_ratio_of_what_cannot_be_negative_has_a_log_interval():
    rng = np.random.default_rng(3)
    above, below = rng.exponential(size=(2, 30))
    m = Measured("error").put_each({"a": above, "b": below})
    found = m.ratio("a", over="b")
    low, high = found.interval
    assert found.value == pytest.approx(above.mean() / below.mean())
    assert low * high == pytest.approx(found.value**2)
    other = m.ratio("b", over="a")
    assert other.interval == pytest.approx((1 / high, 1 / low), rel=0.1)
    assert found.unit == "times"


def test_a_ratio_to_what_may_be_zero_has_no_interval():
    rng = np.random.default_rng(4)
    m = Measured("rise").put_each({"a": 3 + rng.normal(size=30), "b": rng.normal(size=30)})
    assert m.ratio("a", over="b").interval is None
    sure = m.ratio("b", over="a")
    assert sure.interval[0] < 0 < sure.interval[1]


def test_a_ratio_takes_the_null_in_the_place_of_its_condition():
    m = Measured("hits", unit="share").put_each({"own": [1, 1, 1, 0], "all": [1, 1, 1, 1]})
    m.put("random", [[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], role="null")
    found = m.ratio("own", over="all", null="random")
    assert (found.value, found.null.mean, found.p) == (0.75, 0.25, 0.25)


def test_limits_of_a_quotient_hold_the_variance_between_draws():
    rng = np.random.default_rng(0)
    above, below = (Jackknife.mean(rng.normal(m, 0.1, 40), np.arange(40)) for m in (2.0, 1.0))
    quotient = replace(above, kind="any") / replace(below, kind="any")
    assert quotient.fraction is not None
    draws = [1.7, 2.0, 2.3]
    found = interval(over_draws(quotient, draws)).ends
    plain = interval(over_draws(replace(quotient, fraction=None), draws)).ends
    assert np.diff(found) > 2 * np.diff(interval(quotient).ends)
    assert found == pytest.approx(plain, rel=0.15)  # the denominator is far from zero
