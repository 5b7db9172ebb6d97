"""Permutations, p-values and corrections."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from inscape.core.nulls import (
    benjamini_hochberg,
    holm,
    intraclass,
    max_null,
    one_sided_p,
    p_value,
    permutations,
    permutations_within,
)


def test_rows_are_permuted_and_groups_stay_together():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 4)[rng.permutation(24)]
    labels = groups * 10
    by_row = permutations(24, 20, rng=rng)
    by_group = permutations(24, 20, rng=rng, groups=groups)
    for perm in (*by_row, *by_group):
        assert sorted(perm.tolist()) == list(range(24))
    constant = [all(len(set(labels[p][groups == g])) == 1 for g in range(6)) for p in by_group]
    assert all(constant)
    assert not any(all(len(set(labels[p][groups == g])) == 1 for g in range(6)) for p in by_row)
    assert len({tuple(labels[p]) for p in by_group}) > 15


def test_rows_stay_inside_their_groups():
    groups = np.array(["b", "a", "b", "c", "a", "b", "b"])
    found = permutations_within(groups, 400, rng=np.random.default_rng(0))
    assert (groups[found] == groups).all()
    assert (np.sort(found, axis=1) == np.arange(7)).all()
    assert (found[:, 3] == 3).all()
    # every member of a group comes to every place of it about as often
    counts = np.array([[(found[:, i] == j).sum() for j in (0, 2, 5, 6)] for i in (0, 2, 5, 6)])
    assert abs(counts / 400 - 0.25).max() < 0.08


def test_unequal_groups_get_the_labels_of_one_group_each():
    groups = np.repeat(np.arange(12), np.arange(12) % 5 + 1)
    perms = permutations(len(groups), 30, rng=np.random.default_rng(2), groups=groups)
    for perm in perms:
        donors = groups[perm]
        assert all(len(set(donors[groups == g])) == 1 for g in range(12))
        assert sorted(donors[np.searchsorted(groups, np.arange(12))]) == list(range(12))
        for g in range(12):
            used = np.bincount(perm[groups == g], minlength=len(groups))
            given = used[groups == donors[groups == g][0]]
            assert given.max() - given.min() <= 1


def test_a_small_donor_gives_as_many_labels_as_keep_the_groups_mean_as_variable():
    """The variance of a large group's shuffled mean is that of its mean in the data, and not that
    of its small donors.
    """
    rng, sizes = np.random.default_rng(0), np.r_[100, np.full(60, 4)]
    codes, moved, kept = np.repeat(np.arange(61), sizes), [], []
    for _ in range(60):
        y = 0.6 * rng.normal(size=61)[codes] + 0.8 * rng.normal(size=len(codes))
        for labels, out in ((y, moved), (None, kept)):
            perms = permutations(len(codes), 10, rng=rng, groups=codes, labels=labels)
            out.append(y[perms][:, codes == 0].mean(axis=1))
    expected = 0.36 + 0.64 / 100
    assert abs(np.var(moved) / expected - 1) < 0.25
    assert np.var(kept) / expected > 1.25


def test_without_clustering_a_large_group_has_many_donors():
    codes = np.repeat(np.arange(41), [40] + [2] * 40)
    rng = np.random.default_rng(0)
    perms = permutations(len(codes), 100, rng=rng, groups=codes, labels=np.arange(120) % 2)
    donors = np.array([len(set(codes[p[:40]])) for p in perms])
    assert np.median(donors) > 10
    assert donors.min() == 1  # its own labels, now and then


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_intraclass_correlation_of_known_shares(share):
    rng, codes = np.random.default_rng(1), np.repeat(np.arange(400), np.arange(400) % 5 + 2)
    y = share**0.5 * rng.normal(size=400)[codes] + (1 - share) ** 0.5 * rng.normal(size=len(codes))
    assert abs(intraclass(y, codes) - share) < 0.06
    assert intraclass(np.c_[rng.normal(size=len(codes)), y], codes) >= intraclass(y, codes) - 1e-9


def test_intraclass_correlation_where_groups_say_nothing():
    y = np.random.default_rng(0).normal(size=6)
    assert intraclass(y, np.arange(6)) == 1.0
    assert intraclass(y, np.zeros(6)) == 1.0
    assert intraclass(np.ones(6), np.repeat([0, 1, 2], 2)) == 0.0


@pytest.mark.parametrize("large", [False, True])
def test_p_of_clustered_noise_is_honest_for_unequal_groups(large):
    """Blocks that run over into the next group reject more than 0.10 here."""
    sizes = np.r_[128, np.full(24, 8)] if large else np.maximum(1, 100 // np.arange(1, 41))
    codes, rng, small = np.repeat(np.arange(len(sizes)), sizes), np.random.default_rng(0), 0
    fold = (rng.permutation(len(sizes)) % 5)[codes]
    for _ in range(200):
        x, y = (
            0.77 * rng.normal(size=(len(sizes), d))[codes] + 0.63 * rng.normal(size=(len(codes), d))
            for d in (6, 1)
        )
        perms = permutations(len(codes), 39, rng=rng, groups=codes, labels=y)
        scores = _held_out(x, np.c_[y, y[perms, 0].T], fold)
        small += p_value(float(scores[0]), scores[1:]) <= 0.05
    assert 4 <= small <= 19  # 10 expected, standard error 3


def _held_out(x, y, fold):
    """Out-of-sample R² of ridge, a column of labels each."""
    lost, base = np.zeros(y.shape[1]), np.zeros(y.shape[1])
    for f in range(5):
        train, test = fold != f, fold == f
        mx, my = x[train].mean(0), y[train].mean(0)
        a = x[train] - mx
        w = np.linalg.solve(a.T @ a + 5 * np.eye(6), a.T @ (y[train] - my))
        lost += ((y[test] - my - (x[test] - mx) @ w) ** 2).sum(0)
        base += ((y[test] - my) ** 2).sum(0)
    return 1 - lost / base


def test_unequal_groups_stay_clustered():
    groups = np.repeat(np.arange(40), np.arange(40) % 7 + 1)
    labels = np.random.default_rng(1).normal(size=40)[groups]
    perms = permutations(len(groups), 50, rng=np.random.default_rng(2), groups=groups)
    rows = permutations(len(groups), 50, rng=np.random.default_rng(2))

    def between(y):
        return (
            sum((y[groups == g].mean() - y.mean()) ** 2 * (groups == g).sum() for g in range(40))
            / y.var()
            / len(y)
        )

    assert np.mean([between(labels[p]) for p in perms]) > 0.6
    assert np.mean([between(labels[p]) for p in rows]) < 0.4


def test_p_values_count_ties_and_are_never_zero():
    null = np.array([0.1, 0.2, 0.3])
    assert p_value(0.2, null) == 3 / 4
    assert p_value(9.0, null) == 1 / 4
    assert p_value(np.array([0.0, 9.0]), np.stack([null, null])).tolist() == [1.0, 0.25]
    with pytest.raises(ValueError, match="no draws"):
        p_value(0.0, np.empty(0))


def test_no_shuffles_is_an_empty_set():
    assert permutations(5, 0, rng=np.random.default_rng(0)).shape == (0, 5)


def test_the_maximum_is_taken_per_permutation():
    null = np.array([[1.0, 5.0], [3.0, 2.0]])
    assert max_null(null).tolist() == [3.0, 5.0]


def test_searching_sites_is_paid_for_by_the_maximum():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(300, 20, 100))  # worlds, sites, (observed, then shuffles)
    best = scores[:, :, 0].max(axis=1)
    naive = p_value(scores[:, :, 0], scores[:, :, 1:]).min(axis=1)
    honest = np.array(
        [p_value(float(b), max_null(s[:, 1:])) for b, s in zip(best, scores, strict=True)]
    )
    assert (naive <= 0.05).mean() > 0.4
    assert (honest <= 0.05).mean() < 0.1
    assert stats.kstest(honest, "uniform").pvalue > 0.01


def test_corrections_agree_with_scipy_and_with_a_slow_version():
    p = np.random.default_rng(3).uniform(size=30) ** 3
    assert np.allclose(benjamini_hochberg(p), stats.false_discovery_control(p))
    ranks = np.argsort(np.argsort(p))
    slow = [min(1.0, max((30 - r) * q for r, q in zip(ranks, p, strict=True) if q <= x)) for x in p]
    assert np.allclose(holm(p), slow)


def test_a_table_sorted_alike_within_groups_keeps_no_signal():
    """Blocks laid over others in order would pair the k-th row of one group with the k-th of
    another.
    """
    groups = np.arange(240) % 12
    y = np.arange(240.0)
    order = permutations(240, 200, rng=np.random.default_rng(0), groups=groups)
    r = np.abs([np.corrcoef(y, y[o])[0, 1] for o in order])
    assert np.median(r) < 0.15
    in_order = np.stack([np.concatenate([np.flatnonzero(groups == g) for g in range(12)])])
    assert (
        np.corrcoef(y[in_order[0]].reshape(12, 20).mean(axis=0), np.arange(20))[0, 1] > 0.99
    )  # the trap is there


def test_a_claim_of_less_is_tested_on_the_other_side():
    null = np.arange(99.0)
    assert one_sided_p(98.5, null) == p_value(98.5, null) == 0.01
    assert one_sided_p(98.5, null, "lower") == 1.0
    assert one_sided_p(-0.5, null, "lower") == 0.01
    assert one_sided_p(0.0, null, "lower") == 0.02  # a tie counts on either side


def test_what_is_not_defined_counts_against_the_observation():
    null = np.array([0.0, 1.0, np.nan])
    assert p_value(2.0, null) == 2 / 4
    assert p_value(float("nan"), np.array([0.0, 1.0, 2.0])) == 1.0
    both = p_value(np.array([np.nan, 5.0]), np.zeros((2, 9)))
    assert both.tolist() == [1.0, 0.1]
