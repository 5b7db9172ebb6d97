"""Linear relational embeddings: exact on an affine relation, better than what they are compared
with on a curved one.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.read.relational import AffineRelation, least_squares, mean_relation, translation


def affine(rng, n=6, k=5, d=4):
    w, b, s = rng.normal(size=(k, d)), rng.normal(size=k), rng.normal(size=(n, d))
    return w, b, s, s @ w.T + b


def test_an_affine_relation_is_found_from_one_example():
    w, b, s, o = affine(np.random.default_rng(0))
    found = mean_relation(w[None], s[:1], o[:1])
    assert np.allclose(found(s), o)
    assert not np.allclose(translation(s, o[:, :4])(s), o[:, :4])
    assert np.allclose(found.with_beta(2.0)(s), 2 * s @ w.T + b)


def test_jacobians_know_more_than_as_many_examples_do():
    """o = tanh(As): with fewer examples than dimensions least squares cannot fix the map, and
    Jacobians nearly do.
    """
    rng = np.random.default_rng(1)
    a = 0.3 * rng.normal(size=(12, 12))
    train, test = rng.normal(size=(6, 12)), rng.normal(size=(200, 12))

    def f(s):
        return np.tanh(s @ a.T)

    jacobians = (1 - f(train) ** 2)[:, :, None] * a
    relation = mean_relation(jacobians, train, f(train))

    def error(map_):
        return ((map_(test) - f(test)) ** 2).mean() / f(test).var()

    assert error(relation) < 0.2
    assert error(relation) < 0.5 * error(least_squares(train, f(train)))
    assert error(relation) < 0.5 * error(translation(train, f(train)))


def test_least_squares_finds_an_affine_map_given_enough():
    w, b, s, o = affine(np.random.default_rng(2), n=60)
    found = least_squares(s, o, (1e-8,))
    assert np.allclose(found.weight, w, atol=1e-5)
    assert np.allclose(found.bias, b, atol=1e-5)


def test_a_shift_brings_the_object_asked_for_and_a_low_rank_one_only_part_of_it():
    w, _, s, o = affine(np.random.default_rng(3), k=4, d=6)
    relation = AffineRelation(w, np.zeros(4))
    towards = o[1:] - o[:-1]
    moved = relation(s[:-1] + relation.shift(towards, 4)) - relation(s[:-1])
    assert np.allclose(moved, towards)
    u = np.linalg.svd(w)[0][:, :2]
    part = relation(s[:-1] + relation.shift(towards, 2)) - relation(s[:-1])
    assert np.allclose(part, towards @ u @ u.T)
    assert not np.allclose(part, towards)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_low_rank_inverses_are_those_of_numpy_and_ignore_beta(seed, rank):
    w = np.random.default_rng(seed).normal(size=(5, 4))
    u, s, v = np.linalg.svd(w, full_matrices=False)
    expected = np.linalg.pinv((u[:, :rank] * s[:rank]) @ v[:rank])
    relation = AffineRelation(w, np.zeros(5), 3.0)
    assert np.allclose(relation.inverse(rank), expected, atol=1e-8)


def test_a_randomised_relation_keeps_its_singular_values_and_nothing_else():
    w = np.random.default_rng(0).normal(size=(20, 20))
    relation = AffineRelation(w, np.zeros(20))
    other = relation.randomised(rng=np.random.default_rng(1))
    values = [np.linalg.svd(m.weight, compute_uv=False) for m in (relation, other)]
    assert np.allclose(*values)
    assert abs(np.corrcoef(w.ravel(), other.weight.ravel())[0, 1]) < 0.2


def test_refusals():
    relation = AffineRelation(np.diag([1.0, 2.0, 0.0]), np.zeros(3))
    assert relation.rank == 2
    with pytest.raises(ValueError, match="rank must be between 1 and that of W, 2; got 3"):
        relation.inverse(3)
    with pytest.raises(ValueError, match="beta must be positive"):
        relation.with_beta(0.0)
    with pytest.raises(ValueError, match="at least three examples"):
        least_squares(np.ones((2, 3)), np.ones((2, 3)))
