"""The bootstrap over groups against loops that draw rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from inscape.core import intervals


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
