"""The jackknife over groups against loops that leave a group out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from inscape.core.jackknife import Jackknife, combine, effective_groups


def _data(seed=0, n=90, groups=8):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(groups), rng.integers(0, groups, n - groups)])
    return rng, codes, rng.random(n), rng.random(n) + 0.5


def test_ratios_equal_leaving_each_group_out():
    _, codes, part, whole = _data()
    found = Jackknife.r2(part, whole, codes)
    slow = [1 - part[codes != g].sum() / whole[codes != g].sum() for g in range(8)]
    assert found.value == pytest.approx(1 - part.sum() / whole.sum())
    assert np.allclose(found.without, slow)
    assert found.kind == "r2"
    assert np.allclose(
        Jackknife.mean(part, codes).without, [part[codes != g].mean() for g in range(8)]
    )


@pytest.mark.parametrize("folds", [1, 3])
def test_areas_equal_scikit_learn_without_each_group_ties_included(folds):
    rng, codes, _, _ = _data(n=200)
    up = rng.random(200) < 0.3
    scores = np.round(rng.normal(size=200) + up, 1)
    fold = np.arange(200) % folds
    found = Jackknife.auc(scores, up, codes, fold)

    def slow(rows):
        won = pairs = 0.0
        for f in range(folds):
            r = rows & (fold == f)
            count = up[r].sum() * (~up[r]).sum()
            won += roc_auc_score(up[r], scores[r]) * count
            pairs += count
        return won / pairs

    assert found.value == pytest.approx(slow(np.ones(200, dtype=bool)))
    assert np.allclose(found.without, [slow(codes != g) for g in range(8)])
    assert found.rows == up.sum()


def test_the_area_rests_on_the_groups_of_the_rarer_class():
    codes = np.repeat(np.arange(30), 10)
    up = codes < 3
    found = Jackknife.auc(np.random.default_rng(0).normal(size=300), up, codes)
    assert found.effective == pytest.approx(3)
    assert effective_groups(np.bincount(codes).astype(float)) == pytest.approx(30)


def test_one_class_has_no_area():
    assert np.isnan(Jackknife.auc(np.arange(4.0), np.ones(4, dtype=bool), np.arange(4)).value)


def test_differences_quotients_and_any_function_are_paired():
    _, codes, a, b = _data()
    one, two = Jackknife.mean(a, codes), Jackknife.mean(b, codes)
    assert (one - two).variance == pytest.approx(Jackknife.mean(a - b, codes).variance)
    assert (one - one).variance == 0
    assert np.allclose((one / two).without, Jackknife.ratio(a, b, codes).without)
    both = combine(lambda x, y: 2 * x * y / (x + y), one, two)
    assert both.value == pytest.approx(2 * a.mean() * b.mean() / (a.mean() + b.mean()))
    with pytest.raises(ValueError, match="same groups"):
        combine(lambda x, y: x - y, one, Jackknife.mean(a, np.arange(90)))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_effective_groups_lie_between_one_and_all(sizes):
    count = effective_groups(np.array(sizes, dtype=float))
    assert 1 - 1e-9 <= count <= len(sizes) + 1e-9
    assert effective_groups(7.0 * np.array(sizes)) == pytest.approx(count)
