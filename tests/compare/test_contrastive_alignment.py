"""Two maps into one space: what they find for unseen classes, problems side by side, and the
loss.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from inscape.compare.contrastive_alignment import ContrastiveAlignment, among_first


def world(classes: int = 40, each: int = 5, noise: float = 0.2, seed: int = 0):
    """Names and sounds of classes that share four factors."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(classes, 4))
    texts = z @ rng.normal(size=(4, 6)) + noise * rng.normal(size=(classes, 6))
    own = np.arange(classes).repeat(each)
    sounds = z[own] @ rng.normal(size=(4, 7)) + noise * rng.normal(size=(len(own), 7))
    return texts, sounds, own


def test_unseen_classes_are_found_and_not_under_permuted_names():
    texts, sounds, own = world()
    rng = np.random.default_rng(1)
    every = np.stack([texts, *(texts[rng.permutation(40)] for _ in range(20))])
    seen = own < 30
    fitted = ContrastiveAlignment(4).fit(every[:, :30], sounds[seen], own[seen])
    hits = among_first(fitted.scores(every, sounds[~seen]), own[~seen], 5).mean(axis=1)
    assert hits[0] > 0.6
    assert hits[1:].mean() < 0.3
    assert hits[0] > hits[1:].max()


def test_problems_side_by_side_are_those_alone():
    texts, sounds, own = world(12)
    both = np.stack([texts, texts[::-1]])
    together = ContrastiveAlignment(3, steps=40).fit(both, sounds, own)
    for i, one in enumerate(both):
        alone = ContrastiveAlignment(3, steps=40).fit(one[None], sounds, own)
        assert together.text_map_[i] == pytest.approx(alone.text_map_[0], abs=1e-4)
        assert together.scores(both, sounds)[i] == pytest.approx(
            alone.scores(one[None], sounds)[0], abs=1e-4
        )


def test_what_is_minimised_is_the_loss():
    texts, sounds, own = world(6, 3)
    penalty, tau, w = 0.01, 0.5, 2

    def loss(flat):
        u, v = flat[: 6 * w].reshape(6, w), flat[6 * w :].reshape(7, w)
        t, a = texts @ u, sounds @ v
        t, a = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (t, a))
        s = a @ t.T / tau
        fit = (logsumexp(s, axis=1) - s[np.arange(len(own)), own]).mean()
        return fit + penalty * (flat**2).sum()

    made = ContrastiveAlignment(w, temperature=tau, penalty=penalty, steps=3000, rate=0.01)
    fitted = made.fit(texts[None], sounds, own)
    flat = np.concatenate([fitted.text_map_.ravel(), fitted.sound_map_.ravel()]).astype(float)
    start = made.set_params(steps=0).fit(texts[None], sounds, own)
    first = np.concatenate([start.text_map_.ravel(), start.sound_map_.ravel()]).astype(float)
    assert loss(flat) < loss(first) - 0.1
    # nothing near is better
    assert minimize(loss, flat, method="BFGS").fun > loss(flat) - 0.01


def test_ties_count_against_the_right_class():
    even = np.zeros((2, 3, 4))
    assert not among_first(even, np.array([0, 1, 2]), 3).any()
    assert among_first(even, np.array([0, 1, 2]), 4).all()
    scores = np.array([[0.3, 0.2, 0.1]])
    assert [bool(among_first(scores, np.array([c]), 2)[0]) for c in range(3)] == [True, True, False]


def test_classes_without_a_text_are_refused():
    texts, sounds, own = world(6, 3)
    with pytest.raises(ValueError, match="a text for each class, got 5 texts and classes 0 to 5"):
        ContrastiveAlignment().fit(texts[None, :5], sounds, own)
    with pytest.raises(ValueError, match="needs two classes or more"):
        ContrastiveAlignment().fit(texts[None, :1], sounds, own)


def test_a_score_that_is_nan_is_not_among_the_first():
    scores = np.array([[np.nan, 0.1, 0.5], [0.9, np.nan, 0.5]])
    assert among_first(scores, np.array([0, 0]), 1).tolist() == [False, False]
    assert among_first(scores, np.array([0, 0]), 2).tolist() == [False, True]
    for wrong in (np.array([0, 3]), np.array([-1, 0])):
        with pytest.raises(ValueError, match="need 2 classes between 0 and 2"):
            among_first(scores, wrong, 1)
