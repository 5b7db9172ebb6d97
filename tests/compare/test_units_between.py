"""Few to one and many to many: planted units, planted subspaces, and their absence."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from inscape.compare.few_to_one import few_to_one
from inscape.compare.joint_clusters import joint_clusters, mixed_share
from inscape.compare.neuron_matching import NeuronMatching, varying_units
from inscape.compare.unit_matches import matched_copies, unit_matches


def halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x[: len(x) // 2], x[len(x) // 2 :]


def test_one_unit_suffices_for_a_copy_and_many_are_needed_after_a_rotation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 12))
    copy, turned = x[:, rng.permutation(12)], x @ np.linalg.qr(rng.normal(size=(12, 12)))[0]
    same, other = (few_to_one(halves(x), halves(y), [0.2, 0.02]) for y in (copy, turned))
    assert (same.units == 1).all()
    assert same.r2[1].min() > 0.99
    assert other.units[1].mean() > 8
    assert other.r2[0].mean() < same.r2[0].mean() - 0.2
    assert few_to_one(halves(x), halves(rng.normal(size=x.shape)), [0.2]).r2.max() < 0.05


def test_weights_are_those_of_the_lasso_and_a_still_unit_predicts_nothing():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 5)) * [1, 3, 1, 0, 2]
    y = x @ rng.normal(size=(5, 2)) + rng.normal(size=(200, 2))
    found = few_to_one(halves(x), halves(y), [0.1])
    (a, at), (b, bt) = halves(x), halves(y)
    sd = np.where(a.std(0) > 0, a.std(0), 1)
    scaled, target = (a - a.mean(0)) / sd, (b - b.mean(0)) / b.std(0)
    for j in range(2):
        slow = Lasso(0.1, fit_intercept=False, tol=1e-10).fit(scaled, target[:, j])
        assert found.units[0, j] == (slow.coef_ != 0).sum()
        guess = slow.predict((at - a.mean(0)) / sd)
        true = (bt[:, j] - b[:, j].mean()) / b[:, j].std()
        r2 = 1 - ((true - guess) ** 2).sum() / ((true - true.mean()) ** 2).sum()
        assert found.r2[0, j] == pytest.approx(r2, abs=1e-3)
    with pytest.raises(ValueError, match="penalties must fall"):
        few_to_one(halves(x), halves(y), [0.1, 0.2])


def test_rows_are_drawn_for_fit_and_score_and_the_curve_is_the_mean_over_units():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200, 5))
    y = x @ rng.normal(size=(5, 3)) + rng.normal(size=(200, 3))
    found = few_to_one(halves(x), halves(y), most=30, rng=np.random.default_rng(1))
    same = np.random.default_rng(1)
    fit, score = (same.permutation(100)[:30] for _ in range(2))
    (a, at), (b, bt) = halves(x), halves(y)
    slow = few_to_one((a[fit], at[score]), (b[fit], bt[score]))
    assert np.array_equal(found.units, slow.units)
    assert np.array_equal(found.r2, slow.r2)
    assert not np.array_equal(found.r2, few_to_one(halves(x), halves(y)).r2)
    used, r2 = zip(*found.curve(), strict=True)
    assert used == pytest.approx(slow.units.sum(axis=1) / 3)
    assert r2 == pytest.approx(slow.r2.sum(axis=1) / 3)
    with pytest.raises(ValueError, match="give rng"):
        few_to_one(halves(x), halves(y), most=30)


def test_clusters_hold_both_networks_only_where_they_share_a_subspace():
    rng = np.random.default_rng(2)
    factors = rng.normal(size=(500, 3))
    mix = lambda: np.concatenate([factors[:, [i]] @ rng.normal(size=(1, 5)) for i in range(3)], 1)  # noqa: E731
    noisy = lambda x: x + 0.3 * rng.normal(size=x.shape)  # noqa: E731
    of_x, of_y = joint_clusters(noisy(mix()), noisy(mix()), 3, rng=rng)
    assert (of_x == of_y).all()
    assert len(set(of_x[::5])) == 3
    assert mixed_share(of_x, of_y) == 1
    alone = rng.normal(size=(500, 1)) @ rng.normal(size=(1, 15))
    of_x, of_y = joint_clusters(noisy(factors[:, [0]] @ np.ones((1, 15))), noisy(alone), 2, rng=rng)
    assert not set(of_x) & set(of_y)
    assert mixed_share(of_x, of_y) == 0


def test_the_mixed_share_counts_units_and_not_clusters():
    of_x, of_y = np.array([0, 0, 0, 1, 2]), np.array([0, 3, 3])
    assert mixed_share(of_x, of_y) == 4 / 8  # three of x and one of y in cluster 0


def test_units_that_vary_are_those_of_the_first_rows():
    x = np.array([[1.0, 0, 3], [1.0, 2, 4]])
    other = np.array([[7.0, 5, 5], [8.0, 5, 5]])
    kept, same = varying_units(x, other)
    assert np.array_equal(kept, x[:, 1:])
    assert np.array_equal(same, other[:, 1:])


def test_clusters_refuse_still_units_and_too_many():
    x = np.random.default_rng(3).normal(size=(20, 3))
    with pytest.raises(ValueError, match="does not vary"):
        joint_clusters(x, np.ones((20, 1)), 2, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="between 1 and 6"):
        joint_clusters(x, x, 7, rng=np.random.default_rng(0))


def test_few_to_one_needs_penalties_rows_and_the_same_units():
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match="penalties must fall and be above 0, got"):
        few_to_one((x, x), (x, x), [])
    with pytest.raises(ValueError, match="most must be at least 4 rows, got 0"):
        few_to_one((x, x), (x, x), most=0, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="units fitted are 3 and 3, and units scored on 2 and 3"):
        few_to_one((x, x[:, :2]), (x, x))


def test_matches_are_of_the_neurons_that_were_fitted():
    x = np.random.default_rng(0).normal(size=(20, 3))
    found = NeuronMatching().fit(x, x[:, :2])
    with pytest.raises(ValueError, match="y has 3 neurons, and the y that was fitted had 2"):
        found.transform(x)
    with pytest.raises(ValueError, match="x has 2 neurons, and the x that was fitted had 3"):
        found.by_neuron(x[:, :2], x[:, :2])


def test_matches_of_two_networks_are_their_definitions():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    # one unit's partner is its mirror, and one has a noisy partner
    y = np.stack([x[:, 2], -x[:, 1], x[:, 0] + 0.5 * rng.normal(size=80)], axis=1)
    one, other = halves(x), halves(y)
    found = unit_matches(one, other)

    def corr(i: int, j: int, half: int) -> float:
        return np.corrcoef(one[half][:, i], other[half][:, j])[0, 1]

    def one_to_one(half: int, pairs: list[tuple[int, int]]) -> float:
        return float(np.mean([corr(i, j, half) for i, j in pairs]))

    pairs = max(
        ([(i, j) for i, j in zip(own, range(3), strict=True)] for own in permutations(range(4), 3)),
        key=lambda pairs: one_to_one(0, pairs),
    )
    assert {(2, 0), (0, 2)} < set(pairs)
    assert found.fitted == pytest.approx(one_to_one(0, pairs))
    assert found.matched == pytest.approx(one_to_one(1, pairs))
    best = [max(corr(i, j, 0) for j in range(3)) for i in range(4)]
    assert found.best == pytest.approx(np.mean([best[i] for i, _ in pairs]))
    assert found.best >= found.fitted
    assert found.alone == np.mean([b < 0.5 for b in best]) == 0.5  # the mirrored unit has none
    assert unit_matches(one, other, least=-1.0).alone == 0
    with pytest.raises(ValueError, match="least must be a correlation, −1 to 1, got 2.0"):
        unit_matches(one, other, least=2.0)


def test_a_permuted_copy_is_recovered_and_a_rotated_one_has_the_space_alone():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 10)) ** 2  # axes that stand out, as units behind a ReLU do
    found = matched_copies(*halves(x), rng=np.random.default_rng(2))
    assert found.recovered == 1
    assert found.space > 0.999
    assert 0.3 < found.rotated < 0.8
    # two units that are one cannot be told apart, and the others still can
    twins = x[:, [0, 0, *range(2, 10)]]
    shares = [
        matched_copies(*halves(twins), rng=np.random.default_rng(s)).recovered for s in range(8)
    ]
    assert set(shares) <= {0.8, 1.0}
    assert 0.8 in shares
    with pytest.raises(ValueError, match="10 units to match on and 9 to score on; give the same"):
        matched_copies(x, x[:, 1:], rng=rng)
