"""Functors: found exactly where there is one, from one anchor, and not where there is none."""

import numpy as np
import pytest

from inscape.compare.functor import Functor, System, functor_residual
from tests.compare.references import rotation


def systems(seed: int = 0, noise: float = 0.0):
    rng = np.random.default_rng(seed)
    one = System(rng.normal(size=(12, 5)), rng.normal(size=(2, 5, 5)))
    turn = rotation(5)
    moved = turn @ one.relations @ turn.T + noise * rng.normal(size=(2, 5, 5))
    return one, System(one.objects @ turn.T, moved), turn


def test_one_anchor_and_the_relations_fix_the_map_where_the_anchor_alone_does_not():
    one, other, turn = systems()
    found = Functor().fit(one, other, [[3, 3]])
    assert np.allclose(found.coef_, turn, atol=1e-8)
    assert np.allclose(found.transform(one.objects), other.objects, atol=1e-8)
    alone = Functor(structure=0.0).fit(one, other, [[3, 3]])
    assert np.allclose(alone.transform(one.objects[[3]]), other.objects[[3]])
    assert not np.allclose(alone.transform(one.objects), other.objects, atol=0.5)


def test_the_map_is_the_minimum_of_its_two_terms():
    one, other, _ = systems(noise=0.3)
    anchors = [[0, 0], [5, 5]]

    def loss(v):
        apart = (v @ one.relations - other.relations @ v) ** 2
        known = (one.objects[[0, 5]] @ v.T - other.objects[[0, 5]]) ** 2
        return 0.7 * apart.sum() + known.sum()

    best = Functor(structure=0.7).fit(one, other, anchors).coef_
    rng = np.random.default_rng(1)
    assert all(loss(best + 0.05 * rng.normal(size=(5, 5))) > loss(best) for _ in range(50))


def test_the_residual_is_zero_for_a_functor_whatever_its_size_and_one_for_others():
    one, other, turn = systems()
    assert functor_residual(one, other, turn) == pytest.approx(0, abs=1e-12)
    assert functor_residual(one, other, -3 * turn) == pytest.approx(0, abs=1e-12)
    rng = np.random.default_rng(2)
    drawn = [
        functor_residual(one, other, np.linalg.qr(rng.normal(size=(5, 5)))[0]) for _ in range(200)
    ]
    assert np.mean(drawn) == pytest.approx(1, abs=0.1)
    assert max(drawn) <= 2


def test_what_cannot_be_fitted_is_refused():
    one, other, _ = systems()
    with pytest.raises(ValueError, match="same relations in the same order"):
        Functor().fit(one, System(other.objects, other.relations[:1]), [[0, 0]])
    with pytest.raises(ValueError, match="without an anchor"):
        Functor().fit(one, other, [])
    with pytest.raises(ValueError, match="structure must be at least 0"):
        Functor(structure=-1.0).fit(one, other, [[0, 0]])


def test_anchors_are_objects_and_maps_carry_something():
    rng = np.random.default_rng(0)
    one = System(rng.normal(size=(8, 3)), rng.normal(size=(2, 3, 3)))
    for wrong in ([[0, 8]], [[-1, 0]]):
        with pytest.raises(ValueError, match="places among 8 and 8 objects, and one is beyond"):
            Functor().fit(one, one, wrong)
    with pytest.raises(ValueError, match="carries every relation to 0"):
        functor_residual(one, one, np.zeros((3, 3)))
