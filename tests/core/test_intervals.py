"""Intervals over groups: coverage, limits, refusals; the bootstrap over groups against loops that
draw rows.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from inscape.core import intervals
from inscape.core.intervals import auc, group_interval, interval, paired_interval
from inscape.core.jackknife import left_out


def test_ratio_draws_equal_a_loop_over_drawn_groups():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 8, 60)
    loss, base = rng.random((60, 2)), rng.random((60, 2)) + 1
    counts = intervals.group_counts(8, 20, rng=rng)
    fast = intervals.bootstrap_ratio(
        intervals.sum_by_group(loss, codes), intervals.sum_by_group(base, codes), counts
    )
    for draw, count in zip(fast, counts, strict=True):
        rows = np.concatenate(
            [np.flatnonzero(codes == g) for g in range(8) for _ in range(count[g])]
        )
        assert np.allclose(draw, 1 - loss[rows].sum(0) / base[rows].sum(0))


def test_auc_draws_equal_scikit_learn_on_drawn_rows_with_ties():
    rng = np.random.default_rng(1)
    codes, positive = rng.integers(0, 10, 80), rng.random(80) < 0.4
    scores = np.round(rng.normal(size=80) + positive, 1)
    counts = intervals.group_counts(10, 15, rng=rng)
    fast = intervals.bootstrap_auc(scores, positive, np.zeros(80, dtype=int), codes, counts)
    for draw, count in zip(fast, counts, strict=True):
        rows = np.concatenate(
            [np.flatnonzero(codes == g) for g in range(10) for _ in range(count[g])]
        )
        assert np.isclose(draw, roc_auc_score(positive[rows], scores[rows]))


def test_auc_compares_within_folds_only():
    scores, positive = np.array([0.0, 1.0, 10.0, 11.0]), np.array([False, True, False, True])
    counts = np.ones((1, 4), dtype=int)
    one, two = np.zeros(4, dtype=int), np.array([0, 0, 1, 1])
    assert intervals.bootstrap_auc(scores, positive, two, np.arange(4), counts)[0] == 1.0
    assert intervals.bootstrap_auc(scores, positive, one, np.arange(4), counts)[0] == 0.75


def test_groups_widen_the_interval_of_clustered_rows_and_it_covers():
    rng = np.random.default_rng(2)
    covered, by_row = 0, 0
    for _ in range(200):
        codes = np.repeat(np.arange(30), 10)
        wrong = (rng.random(300) < rng.beta(0.5, 0.5, 30)[codes]).astype(float)
        for name in ("groups", "rows"):
            unit = codes if name == "groups" else np.arange(300)
            counts = intervals.group_counts(int(unit.max()) + 1, 300, rng=rng)
            sums = intervals.sum_by_group(wrong, unit), intervals.sum_by_group(np.ones(300), unit)
            low, high = intervals.percentile(intervals.bootstrap_ratio(*sums, counts))
            covered += (low <= 0.5 <= high) * (name == "groups")
            by_row += (low <= 0.5 <= high) * (name == "rows")
    assert covered > 175
    assert by_row < 140


def test_percentiles_and_one_sided_p():
    draws = np.arange(101.0)
    assert np.allclose(intervals.percentile(draws, 0.9), [5.0, 95.0])
    assert intervals.bootstrap_p(draws - 1) == 3 / 102
    assert (
        intervals.bootstrap_p(np.where(np.arange(len(draws)) < 5, np.nan, draws - 1)) >= 6 / 102
    )  # no news is no proof
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        intervals.percentile(draws, 95.0)


def _sizes(kind, groups):
    sizes = {
        "equal": np.full(groups, 10),
        "zipf": np.maximum(1, 10 * groups / np.arange(1, groups + 1) / 4).astype(int),
        "one of 40 %": np.r_[round(4 / 6 * 10 * (groups - 1)), np.full(groups - 1, 10)],
    }
    return np.repeat(np.arange(groups), sizes[kind])


def _covers(codes, draw, kind, truth, runs=300):
    """Coverage of the interval and of the percentile bootstrap, on data drawn anew."""
    rng = np.random.default_rng(0)
    ours = theirs = 0
    for _ in range(runs):
        values = draw(rng, codes)
        found = group_interval(values, codes, kind)
        ours += found.ends is not None and found.low <= truth <= found.high
        part, whole = (values, np.ones(len(codes))) if kind == "mean" else (values[0], values[1])
        counts = intervals.group_counts(int(codes.max()) + 1, 200, rng=rng)
        sums = (intervals.sum_by_group(x, codes) for x in (part, whole))
        drawn = intervals.bootstrap_ratio(*sums, counts)
        low, high = intervals.percentile(drawn if kind == "r2" else 1 - drawn)
        theirs += low <= truth <= high
    return ours / runs, theirs / runs


def _mixed(rng, codes, icc=0.4):
    groups = int(codes.max()) + 1
    return np.sqrt(icc) * rng.normal(size=groups)[codes] + np.sqrt(1 - icc) * rng.normal(
        size=len(codes)
    )


DRAWS = {
    "mean": (_mixed, "mean", 0.0),
    "share": (lambda rng, c: (_mixed(rng, c) > 1.0).astype(float), "mean", 0.15866),
    "R²": (
        lambda rng, c: (np.exp(_mixed(rng, c)) / 2, np.exp(_mixed(rng, c)) + 0.2),
        "r2",
        1 - np.exp(0.5) / 2 / (np.exp(0.5) + 0.2),
    ),
}


@pytest.mark.parametrize("what", DRAWS)
@pytest.mark.parametrize(("kind", "groups"), [("equal", 8), ("equal", 25), ("zipf", 60)])
def test_intervals_cover_where_the_bootstrap_does_not(what, kind, groups):
    draw, statistic, truth = DRAWS[what]
    ours, theirs = _covers(_sizes(kind, groups), draw, statistic, truth)
    assert ours > 0.91  # nominal 0.95, standard error 0.013
    assert ours >= theirs
    if groups < 25:
        assert theirs < ours - 0.02


def test_areas_cover():
    rng = np.random.default_rng(1)
    codes = _sizes("zipf", 40)
    hits = 0
    for _ in range(200):
        up = rng.random(len(codes)) < 0.4
        scores = _mixed(rng, codes) + up
        found = group_interval((scores, up), codes, "auc")
        hits += found.low <= 0.7602 <= found.high
    assert hits > 182


def test_few_effective_groups_are_warned_of_and_fewer_have_no_interval():
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    many = group_interval(values, np.arange(200) % 20)
    assert many.warning == ""
    assert many.effective_groups == pytest.approx(20)
    few = group_interval(values, np.arange(200) % 8)
    assert few.warning == "The interval rests on only 8 groups."
    assert few.high - few.low > many.high - many.low
    skewed = np.where(np.arange(200) < 150, 0, np.arange(200))
    none = group_interval(values, skewed)
    assert none.ends is None
    assert "needs at least 3" in none.warning
    assert "1.8 effective groups (51 groups of unequal weight)" in none.warning
    fewer = group_interval(values, np.arange(200) % 2)
    assert fewer.warning == "No interval: it would rest on 2 groups, and needs at least 3."


def test_shares_of_nothing_and_everything_get_exact_limits():
    zero = group_interval(np.zeros(40), np.repeat(np.arange(20), 2))
    assert zero.low == 0
    assert zero.high == pytest.approx(1 - 0.025 ** (1 / 20))  # Clopper and Pearson, 20 trials
    one = group_interval(np.ones(40), np.repeat(np.arange(20), 2))
    assert one.low == pytest.approx(1 - zero.high)
    assert one.high == 1
    same = paired_interval(np.zeros(40), np.zeros(40), np.repeat(np.arange(20), 2))
    assert same.ends == pytest.approx((-zero.high, zero.high))
    assert group_interval(np.full(9, 2.5), np.arange(9)).ends == (2.5, 2.5)
    assert "no width" in group_interval(np.full(9, 2.5), np.arange(9)).warning


def test_independent_rows_of_a_share_give_the_binomial_interval():
    values = (np.arange(400) % 4 == 0).astype(float)
    found = group_interval(values, np.arange(400))
    assert found.ends == pytest.approx((0.208, 0.295), abs=0.002)  # Clopper and Pearson


def test_a_ratio_has_no_interval_where_its_denominator_may_be_zero():
    rng = np.random.default_rng(0)
    part, codes = rng.normal(size=300) + 2, np.repeat(np.arange(30), 10)
    sure, unsure = rng.normal(size=300) + 1, rng.normal(size=300)
    found = group_interval((part, sure), codes, "ratio")
    assert found.method == "Fieller's limits"
    assert found.low < part.sum() / sure.sum() < found.high
    assert found.low < 2 < found.high
    none = group_interval((part, unsure), codes, "ratio")
    assert none.ends is None
    assert "denominator contains zero" in none.warning


def test_pairing_cancels_what_makes_a_group_hard():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(20), 10)
    hard = 3 * rng.normal(size=20)[codes]
    a, b = hard + 0.5 + 0.1 * rng.normal(size=200), hard + 0.1 * rng.normal(size=200)
    found = paired_interval(a, b, codes)
    assert 0.45 < found.low < 0.5 < found.high < 0.55
    assert group_interval(a, codes).low < 0 < group_interval(a, codes).high
    times = paired_interval(np.exp(a), np.exp(b), codes, of="quotient")
    assert 1.5 < times.low < np.exp(a).sum() / np.exp(b).sum() < times.high < 1.85
    alone = group_interval(np.exp(a), codes)
    assert times.high / times.low < 0.2 * alone.high / alone.low


def test_unknown_statistics_and_levels_are_refused():
    with pytest.raises(
        ValueError,
        match="kind must be 'mean', 'bounded', 'correlation', 'ratio', 'r2' or 'auc', got 'sum'",
    ):
        group_interval(np.ones(4), np.arange(4), "sum")
    with pytest.raises(ValueError, match="level must be between 0 and 1, got 95"):
        group_interval(np.ones(4), np.arange(4), level=95.0)


def test_the_interval_of_a_correlation_stays_below_one_and_is_fishers_in_large_samples():
    rng = np.random.default_rng(0)
    few = np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 5.0, 4.0]]).T

    def rho(rows, x):
        return float(np.corrcoef(x[rows].T)[0, 1])

    close = interval(left_out(partial(rho, x=few), np.arange(5), "correlation"))
    plain = interval(left_out(partial(rho, x=few), np.arange(5)))
    assert plain.high > 1 > close.high > 0.9
    x = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=2000)
    found = interval(left_out(partial(rho, x=x), np.arange(2000), "correlation"))
    value, reach = rho(np.arange(2000), x), 1.96 / np.sqrt(1997)
    fisher = np.tanh(np.arctanh(value) + np.array([-reach, reach]))
    assert (found.low, found.high) == pytest.approx(tuple(fisher), abs=0.003)


def test_the_mean_of_shares_stays_between_its_limits_and_is_the_same_mean():
    shares, groups = np.array([0.99, 0.62, 0.98, 0.97, 0.6]), np.arange(5)
    bounded, plain = (group_interval(shares, groups, kind=k) for k in ("bounded", "mean"))
    assert plain.high > 1 > bounded.high > shares.mean() > bounded.low > 0
    middle = np.array([0.45, 0.5, 0.55, 0.48, 0.52] * 40)
    near = [group_interval(middle, np.arange(200), kind=k) for k in ("bounded", "mean")]
    assert near[0].low == pytest.approx(near[1].low, abs=1e-4)
    assert near[0].high == pytest.approx(near[1].high, abs=1e-4)
    whole = group_interval(np.ones(12), np.arange(12), kind="bounded")
    assert whole.low < whole.high == 1


def test_an_area_of_what_is_no_score_or_no_label():
    assert auc(np.array([1.0, 2.0, 3.0]), np.array([False, False, True])) == 1.0
    assert np.isnan(auc(np.array([np.nan, 2.0]), np.array([1, 0])))
    for labels in (["yes", "no"], [2, 1], [1, np.nan], [1]):
        with pytest.raises(ValueError, match=r"auc: needs 1 \(positive\) or 0 for each of the 2"):
            auc(np.array([1.0, 2.0]), np.array(labels))


def test_a_mean_of_correlations_has_an_interval_below_one():
    found = np.array([0.99, 0.98, 0.6, 0.97])
    own = group_interval(found, np.arange(4), kind="correlation")
    assert 1 > own.high > found.mean() > own.low > -1
    mean = found.mean()
    left = intervals.statistic(found, np.arange(4))
    reach = stats.t.ppf(0.975, 3) * np.sqrt(left.variance) / (1 - mean**2)  # 4 groups
    centre = np.arctanh(mean)
    assert own.ends == pytest.approx((np.tanh(centre - reach), np.tanh(centre + reach)))
    turned = group_interval(-found, np.arange(4), kind="correlation")
    assert turned.ends == pytest.approx((-own.high, -own.low))
