"""Rankings of coordinates and the probes of the best k."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score

from inscape.read.rank import RANKINGS, mean_difference, mutual_information, rank
from inscape.read.sparse import SparseProbe, class_weights, sparse_path


def haystack(n=300, d=60, needles=(7, 21, 40), seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, (x[:, list(needles)].sum(axis=1) + 0.5 * rng.normal(size=n) > 0).astype(int)


@pytest.mark.parametrize("ranking", [r for r in RANKINGS if r != "random"])
def test_every_ranking_finds_the_needles_and_none_in_shuffled_labels(ranking):
    x, y = haystack()
    assert set(rank(x, y, 3, ranking).tolist()) == {7, 21, 40}
    lost = set(rank(x, np.random.default_rng(1).permutation(y), 3, ranking).tolist())
    assert lost != {7, 21, 40}
    assert len(set(rank(x, y, 60, ranking).tolist())) == 60


def test_what_only_a_fit_can_see_is_seen_by_the_rankings_that_fit():
    """Coordinate 1 says nothing alone: it takes the noise out of coordinate 0."""
    rng = np.random.default_rng(0)
    noise, signal = 3 * rng.normal(size=(2, 600)) * [[1.0], [1 / 3]]
    x = np.column_stack(
        [signal + noise, noise, 0.3 * signal + rng.normal(size=600), rng.normal(size=(600, 9))]
    )
    y = (signal > 0).astype(int)
    assert set(rank(x, y, 2, "adaptive").tolist()) == {0, 1}
    assert set(rank(x, y, 3, "lasso").tolist()) == {0, 1, 2}
    assert 1 not in rank(x, y, 2, "mean difference")
    assert 1 not in rank(x, y, 2, "mutual information")  # each coordinate by itself


def test_scores_agree_with_scikit_learn_for_many_labels_at_once():
    x, y = haystack()
    both = np.stack([y, np.roll(y, 1)], axis=1)
    for t in range(2):
        order = np.argsort(-f_classif(x, both[:, t])[0])
        assert (np.argsort(-mean_difference(x, both)[t]) == order).all()
    bins = np.array([np.searchsorted(np.quantile(c, np.arange(1, 8) / 8), c) for c in x.T])
    want = [[mutual_info_score(both[:, t], b) for b in bins] for t in range(2)]
    assert np.allclose(mutual_information(x, both), want, atol=1e-9)
    assert mutual_information(np.zeros((50, 1)), y[:50, None]).item() == 0.0


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 500),
    ranking=st.sampled_from(["mean difference", "mutual information", "lasso"]),
)
def test_a_ranking_does_not_know_units(seed, ranking):
    x, y = haystack(80, 10, (2, 5), seed)
    scale = np.exp(np.random.default_rng(seed).normal(size=10))
    assert rank(x, y, 3, ranking).tolist() == rank(x * scale + 5, y, 3, ranking).tolist()


def test_every_size_of_the_path_is_the_fit_of_those_coordinates_alone():
    x, y = haystack()
    x = x * 3 + 1
    path = sparse_path(x, y, (1, 3, 10), tol=1e-9)
    for s, k in enumerate(path.sizes):
        inside = (x[:, path.order[:k]] - x[:, path.order[:k]].mean(axis=0)) / x[
            :, path.order[:k]
        ].std(axis=0)
        theirs = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000, class_weight="balanced").fit(
            inside, y
        )
        assert np.allclose(path.logits(x)[:, s], theirs.decision_function(inside), atol=1e-4)
    assert path.gradient.max() < 1e-9
    assert np.allclose(class_weights(y[None]).sum(), len(y))
    assert class_weights(y[None])[0][y == 1].sum() == pytest.approx(len(y) / 2)


def test_the_best_k_are_enough_and_random_ones_are_not():
    x, y = haystack()
    fresh, truth = haystack(seed=1)
    found = [SparseProbe(k).fit(x, y) for k in (1, 3)]
    assert found[1].score(fresh, truth) > 0.9 > found[0].score(fresh, truth) > 0.6
    anyone = [
        SparseProbe(3, ranking="random", random_state=i).fit(x, y).score(fresh, truth)
        for i in range(20)
    ]
    assert np.median(anyone) < 0.6
    assert np.flatnonzero(found[1].coef_[0]).tolist() == [7, 21, 40]
    assert isinstance(found[0].predict(torch.tensor(fresh)), torch.Tensor)


def test_ranking_on_all_rows_leaks_and_ranking_inside_does_not():
    """The commonest error of sparse probing, shown on pure noise."""
    rng = np.random.default_rng(0)
    leaked, honest = [], []
    for _ in range(20):
        x, y = rng.normal(size=(60, 2000)), rng.integers(2, size=60)
        train, test = np.arange(40), np.arange(40, 60)
        order = rank(x, y, 5)
        leaked.append(
            SparseProbe(5).fit(x[train][:, order], y[train]).score(x[test][:, order], y[test])
        )
        honest.append(SparseProbe(5).fit(x[train], y[train]).score(x[test], y[test]))
    assert np.mean(leaked) > 0.75
    assert abs(np.mean(honest) - 0.5) < 0.08


def test_refusals():
    x, y = haystack(40, 10, (1,))
    with pytest.raises(ValueError, match="ranking must be one of mean difference"):
        rank(x, y, 2, "best")
    with pytest.raises(ValueError, match="count must be between 1 and 10"):
        rank(x, y, 11)
    with pytest.raises(ValueError, match="y holds one class only"):
        rank(x, np.ones(40, dtype=int), 2)
    with pytest.raises(ValueError, match="a random ranking needs a generator"):
        rank(x, y, 2, "random")
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        SparseProbe().fit(x, np.arange(40) % 3)
    with pytest.raises(ValueError, match="SparseProbe: y holds one class"):
        SparseProbe().fit(x, np.ones(40, dtype=int))
    with pytest.raises(ValueError, match="k must be at least 1 and C positive"):
        SparseProbe(0).fit(x, y)


@pytest.mark.parametrize("ranked", [rank, mean_difference, mutual_information])
def test_labels_are_zero_and_one_and_rows_finite(ranked):
    x, y = np.random.default_rng(0).normal(size=(10, 3)), np.arange(10) % 2
    more = (2,) if ranked is rank else ()
    y = y if ranked is rank else y[:, None]
    assert len(ranked(x, y, *more))
    with pytest.raises(ValueError, match="y must hold 0 or 1 for each of the 10 rows"):
        ranked(x, y + 1, *more)
    with pytest.raises(ValueError, match="x holds NaN or infinite numbers"):
        ranked(np.where(x > 1, np.nan, x), y, *more)


def test_sizes_weights_and_bins_that_are_none_are_refused():
    x, y = np.random.default_rng(0).normal(size=(10, 3)), np.arange(10) % 2
    for sizes, c in (((), 1.0), ((0, 2), 1.0), ((1,), 0.0)):
        with pytest.raises(ValueError, match="sizes of at least 1 and a positive C"):
            sparse_path(x, y, sizes, C=c)
    for wrong in (np.ones((1, 4), dtype=int), np.array([[1, 2, 1, 2]])):
        with pytest.raises(ValueError, match="each row of y must hold both 0 and 1"):
            class_weights(wrong)
    with pytest.raises(ValueError, match="bins must be at least 2, got 1"):
        mutual_information(x, y[:, None], 1)
