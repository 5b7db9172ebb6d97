"""Erasers: the linear guarantee seen by two classifiers, the least change, agreement with a slow
clear version, refusals.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from inscape.control.inlp import INLP
from inscape.control.leace import LeaceEraser, OracleLeace
from inscape.control.mean_projection import MeanProjection
from inscape.control.rlace import RLACE
from inscape.core.centred import Centred
from inscape.core.edit import Scope
from inscape.core.joint import Joint

ERASERS = [
    LeaceEraser(),
    LeaceEraser("orth"),
    LeaceEraser(shrinkage="auto"),
    MeanProjection(),
    INLP(),
    RLACE(rank=1, steps=60, random_state=0),
]


def named(eraser):
    return "-".join(
        [
            type(eraser).__name__,
            *(str(v) for k, v in vars(eraser).items() if k in ("method", "shrinkage")),
        ]
    )


@parametrize_with_checks(
    [
        LeaceEraser(),
        LeaceEraser("orth"),
        LeaceEraser(shrinkage="auto"),
        MeanProjection(),
        INLP(rounds=2),
        RLACE(steps=2, check_every=1),
    ]
)
def test_estimator_contract(estimator, check):
    check(estimator)


def concept(n=600, d=12, seed=0, classes=2):
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(d, d)) / np.sqrt(d)
    z = rng.integers(0, classes, n)
    means = rng.normal(size=(classes, d)) * 1.5
    return (rng.normal(size=(n, d)) + means[z]) @ mix + 5 * rng.normal(size=d), z


@pytest.mark.parametrize("eraser", ERASERS, ids=named)
@pytest.mark.parametrize(
    "reader", [LogisticRegression(max_iter=2000), LinearDiscriminantAnalysis()], ids=["lr", "lda"]
)
def test_no_linear_classifier_reads_what_was_erased(eraser, reader):
    x, z = concept()
    majority = max(z.mean(), 1 - z.mean())
    assert reader.fit(x, z).score(x, z) > majority + 0.25
    erased = eraser.fit(x, z).transform(x)
    assert reader.fit(erased, z).score(erased, z) <= majority + 0.05


@pytest.mark.parametrize("classes", [2, 5])
def test_leace_makes_class_means_equal_and_its_rank_is_classes_less_one(classes):
    x, z = concept(classes=classes)
    eraser = LeaceEraser().fit(x, z)
    erased = eraser.transform(x)
    assert np.ptp([x[z == c].mean(axis=0) for c in range(classes)], axis=0).max() > 1
    assert np.ptp([erased[z == c].mean(axis=0) for c in range(classes)], axis=0).max() < 1e-9
    assert np.allclose(erased.mean(axis=0), x.mean(axis=0))
    assert eraser.rank_ == classes - 1


def test_no_other_eraser_with_the_guarantee_moves_rows_less():
    x, z = concept(n=2000)
    moved = {named(e): ((e.fit_transform(x, z) - x) ** 2).sum() for e in ERASERS}
    least = moved.pop("LeaceEraser-leace-0.0")
    assert all(least < other for other in moved.values())
    rng = np.random.default_rng(0)
    best = LeaceEraser().fit(x, z)
    for _ in range(
        20
    ):  # oblique projections along the same direction, with other functionals, move rows more
        right = best.proj_right_ + 0.05 * rng.normal(size=best.proj_right_.shape)
        right /= right @ best.proj_left_
        other = x - ((x - best.mean_) @ right.T) @ best.proj_left_.T
        assert np.ptp([other[z == c].mean(axis=0) for c in (0, 1)], axis=0).max() < 1e-9
        assert ((other - x) ** 2).sum() > least


def test_the_oracle_moves_less_still_and_leaves_no_covariance():
    x, z = concept(n=1000)
    erased = OracleLeace().fit(x, z).transform(x, z)
    assert np.abs(np.cov(erased.T, z)[:-1, -1]).max() < 1e-10
    assert np.abs(np.cov(x.T, z)[:-1, -1]).max() > 0.1
    assert ((erased - x) ** 2).sum() < ((LeaceEraser().fit_transform(x, z) - x) ** 2).sum()


def test_what_is_erased_linearly_may_be_read_by_a_bent_reader():
    rng = np.random.default_rng(3)
    z = rng.integers(0, 2, 800)
    x = rng.normal(size=(800, 2)) * np.where(z, 3.0, 0.5)[:, None]  # same means, other spread
    erased = LeaceEraser().fit_transform(x, z)
    bent = MLPClassifier((32,), max_iter=2000, random_state=0).fit(erased, z)
    assert LogisticRegression().fit(erased, z).score(erased, z) < 0.6 < 0.8 < bent.score(erased, z)


def slow_leace(x, z):
    """Theorem 4.2 as it is printed, with matrix square roots by the eigendecomposition."""
    mu, hot = x.mean(axis=0), (z[:, None] == np.unique(z)).astype(float)
    sigma = (x - mu).T @ (x - mu) / len(x)
    cross = (x - mu).T @ (hot - hot.mean(axis=0)) / len(x)
    w, v = np.linalg.eigh(sigma)
    whiten, colour = (v / np.sqrt(w)) @ v.T, (v * np.sqrt(w)) @ v.T
    m = whiten @ cross
    p = m @ np.linalg.pinv(m, rcond=1e-8)
    return x - (x - mu) @ (colour @ p @ whiten).T


def test_leace_is_the_printed_theorem():
    x, z = concept(classes=4)
    assert np.allclose(LeaceEraser().fit_transform(x, z), slow_leace(x, z), atol=1e-9)


def test_shrinkage_goes_from_the_least_change_to_the_orthogonal_projection():
    x, z = concept()
    whole = LeaceEraser(shrinkage=1.0).fit_transform(x, z)
    assert np.allclose(whole, LeaceEraser("orth").fit_transform(x, z), atol=1e-9)
    assert not np.allclose(whole, LeaceEraser().fit_transform(x, z), atol=0.1)


def test_few_rows_are_shrunk_as_the_formula_says():
    x, z = concept(n=4000, d=40)
    n, d = 48, 40
    covariance = np.cov(x[:n].T, bias=True)
    sphere = np.trace(covariance) / d * np.eye(d)  # the formula of the paper, term by term
    norm, product = (sphere**2).sum(), np.trace(covariance @ sphere)
    top = np.trace(covariance) ** 2 * norm / n
    share = top / ((covariance**2).sum() * norm - product**2)
    assert 0 < share < 1
    auto, same = (LeaceEraser(shrinkage=s).fit(x[:n], z[:n]) for s in ("auto", share))
    assert np.allclose(auto.transform(x), same.transform(x), atol=1e-9)


def test_other_rows_are_moved_less_by_an_eraser_of_few_rows_that_is_shrunk():
    moved = []
    for seed in range(6):
        x, z = concept(n=2000, d=40, seed=seed)
        few, rest = slice(0, 48), x[48:]
        both = [LeaceEraser(shrinkage=s).fit(x[few], z[few]) for s in (0.0, "auto")]
        moved.append([((e.transform(rest) - rest) ** 2).sum() for e in both])
    plain, shrunk = np.transpose(moved)
    assert (shrunk / plain).mean() < 0.97


def test_orth_is_the_mean_projection():
    x, z = concept(classes=3)
    assert np.allclose(
        LeaceEraser("orth").fit_transform(x, z), MeanProjection().fit_transform(x, z), atol=1e-9
    )


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 599), max_size=4), st.integers(0, 3))
def test_parts_in_any_number_give_the_eraser_of_the_whole(cuts, seed):
    x, z = concept(seed=seed, classes=3)
    streamed = LeaceEraser()
    for part in np.split(np.arange(len(x)), sorted(set(cuts))):
        streamed.partial_fit(x[part], z[part], classes=[0, 1, 2])
    whole = LeaceEraser().fit(x, z)
    assert np.allclose(streamed.transform(x), whole.transform(x), atol=1e-8)


def test_from_moments_with_no_rows_in_memory():
    x, z = concept()
    hot = (z[:, None] == [0, 1]).astype(float)
    made = LeaceEraser.from_moments(Centred.of(x), Joint.of(x, hot))
    assert np.allclose(made.transform(x), LeaceEraser().fit_transform(x, z), atol=1e-9)


def test_directions_without_data_are_left_alone():
    x, z = concept(d=6)
    flat = np.concatenate(
        [x, np.zeros((len(x), 2)), x[:, :1]], axis=1
    )  # two constants and a repeated column
    erased = LeaceEraser().fit_transform(flat, z)
    assert np.abs(erased[z == 1].mean(0) - erased[z == 0].mean(0)).max() < 1e-8
    assert np.allclose(erased[:, 6:8], 0, atol=1e-9)
    assert np.allclose(erased[:, 8], erased[:, 0], atol=1e-7)


def test_a_concept_that_is_not_there_is_not_erased():
    x, _ = concept()
    assert LeaceEraser().fit(x, np.zeros(len(x), dtype=int)).rank_ == 0
    assert np.allclose(LeaceEraser().fit_transform(x, np.zeros(len(x), dtype=int)), x)


def test_rlace_needs_one_dimension_where_inlp_needs_more():
    x, z = concept(n=1500, d=20, seed=4)
    x = x * np.exp(
        np.random.default_rng(1).normal(size=20)
    )  # unequal scales: a classifier is not the mean difference
    one = RLACE(rank=1, random_state=0).fit(x, z)
    assert one.loss_ > 0.99 * one.entropy_
    assert len(INLP(rounds=20).fit(x, z).basis_) >= 2


@pytest.mark.parametrize("eraser", ERASERS, ids=named)
def test_the_edit_is_the_map_and_tensors_come_back_as_tensors(eraser):
    x, z = concept()
    eraser.fit(x, z)
    h = torch.from_numpy(x[:6].reshape(2, 3, -1))
    assert torch.allclose(
        eraser.edit(Scope("resid_post.0")).apply(h).reshape(6, -1),
        torch.from_numpy(eraser.transform(x[:6])),
    )
    assert isinstance(eraser.transform(torch.from_numpy(x)), torch.Tensor)


def test_refusals():
    x, z = concept(n=20)
    with pytest.raises(
        ValueError, match="LeaceEraser: method must be 'leace' or 'orth', got 'svd'"
    ):
        LeaceEraser("svd").fit(x, z)
    for weight in ("little", 1.5):
        with pytest.raises(ValueError, match="shrinkage must be 'auto' or between 0 and 1"):
            LeaceEraser(shrinkage=weight).fit(x, z)
    for fit in (LeaceEraser().fit, LeaceEraser().partial_fit):
        with pytest.raises(
            ValueError, match="LeaceEraser: 20 rows and 3 labels; give one label for each row"
        ):
            fit(x, z[:3])
    with pytest.raises(ValueError, match="OracleLeace: 20 rows and 3 labels"):
        OracleLeace().fit(x, z[:3])
    with pytest.raises(ValueError, match="the label 1 is none of the classes"):
        LeaceEraser().partial_fit(x, np.zeros(20, int), classes=[0]).partial_fit(
            x, np.ones(20, int)
        )
    with pytest.raises(ValueError, match=r"y must be labels \(n,\) or numbers \(n, k\)"):
        LeaceEraser().fit(x, np.zeros((20, 1, 1)))
    with pytest.raises(ValueError, match="are not one set"):
        LeaceEraser.from_moments(Centred.of(x), Joint.of(x[:5], x[:5]))
    for eraser in (MeanProjection(), INLP(), RLACE()):
        with pytest.raises(ValueError, match=f"{type(eraser).__name__}: y holds one class"):
            eraser.fit(x, np.zeros(20, int))
    with pytest.raises(ValueError, match="INLP: rounds must be at least 1, got 0"):
        INLP(rounds=0).fit(x, z)
    with pytest.raises(ValueError, match="RLACE: rank must be 1 to 12, got 13"):
        RLACE(rank=13).fit(x, z)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no classifier beat the majority"):
        INLP(tol=0.5).fit(rng.normal(size=(200, 3)), rng.integers(0, 2, 200)).edit(Scope("embed"))


@pytest.mark.parametrize("eraser", [LeaceEraser, OracleLeace, MeanProjection, INLP, RLACE])
def test_numbers_are_no_labels(eraser):
    """Each of them would be a class of its own, and everything would be erased."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        eraser().fit(x, y)


def test_numbers_in_a_column_are_erased_as_numbers():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 1))
    assert LeaceEraser().fit(x, y).rank_ == 1


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"check_every": 0}])
def test_rlace_needs_a_step(wrong):
    with pytest.raises(ValueError, match="steps and check_every must be at least 1"):
        RLACE(**wrong).fit(np.eye(4), [0, 1, 0, 1])
