"""Two views: the expected gradient by samples, the optimum, deficits, and what one view tells."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.learn.linear_chain import linear_chain
from inscape.worlds.two_views import TwoViews, drawn_targets, pathway_share


def world(noise=0.3, d=3):
    return TwoViews(
        drawn_targets(1, np.linspace(1, 0.4, d), rng=np.random.default_rng(0))[0], noise
    )


@pytest.mark.parametrize("blank", [False, True])
def test_the_gradient_is_that_of_many_samples(blank):
    w, rng = world(), np.random.default_rng(1)
    maps = rng.normal(size=(2, 3, 3)) / 3
    views, y = w.draw(200_000, rng=rng)
    views = views * np.array([1.0, not blank]).reshape(2, 1, 1)
    off = (views @ maps.swapaxes(1, 2)).sum(axis=0) - y
    sampled = off.T @ views / len(y)
    np.testing.assert_allclose(w.gradient(maps, blank), sampled, atol=0.02)
    assert (np.abs(w.gradient(maps, blank)[1]).max() == 0) == blank


def test_what_is_explained_is_that_of_many_samples():
    w, rng = world(), np.random.default_rng(2)
    maps = rng.normal(size=(2, 3, 3)) / 4
    views, y = w.draw(200_000, rng=rng)
    for dropped in (False, True):
        heard = (views @ maps.swapaxes(1, 2))[int(dropped) :].sum(axis=0)
        wanted = 1 - ((y - heard) ** 2).sum() / (y**2).sum()
        assert w.explained(maps, drop_first=dropped) == pytest.approx(wanted, abs=0.02)


def test_both_pathways_share_the_optimum():
    w = world()
    best = np.stack([w.target / 2.09] * 2)
    np.testing.assert_allclose(w.gradient(best), 0, atol=1e-12)
    assert w.explained(best) == pytest.approx(2 / 2.09)
    assert pathway_share(best) == pytest.approx(0.5)
    rng = np.random.default_rng(0)
    course = w.train(linear_chain(1, (2, 3, 3), 0.01, rng=rng), [(4000, False)], 0.05)
    np.testing.assert_allclose(course.ends[0], best, atol=1e-3)


def test_a_blank_view_teaches_nothing_and_the_other_takes_its_part():
    w = TwoViews(drawn_targets(4, np.array([1.0, 0.7]), rng=np.random.default_rng(3)), 0.2)
    start = linear_chain(2, (2, 4, 2, 2), 0.01, rng=np.random.default_rng(4))
    course = w.train(start, [(1000, True), (50, False)], 0.05, every=500)
    assert course.steps.tolist() == [0, 500, 1000]
    assert course.maps.shape == (3, 2, 4, 2, 2)
    np.testing.assert_array_equal(course.maps[0][1], course.maps[2][1])
    np.testing.assert_array_equal(course.maps[2], course.ends[0])
    np.testing.assert_allclose(course.ends[0][0], w.target / 1.04, atol=0.05)
    assert np.abs(course.ends[1][1] - course.ends[0][1]).max() > 0
    assert (pathway_share(course.ends[1]) < 0.1).all()
    assert w.train(start, [(10, False)], 0.05).maps.size == 0


def test_targets_have_the_values_and_directions_of_their_own():
    values = np.array([2.0, 1.0, 0.5])
    found = drawn_targets(6, values, rng=np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.svd(found, compute_uv=False), np.tile(values, (6, 1)))
    assert np.abs(found[0] - found[1]).max() > 0.1
    with pytest.raises(ValueError, match="draws are of one target; this world has several"):
        TwoViews(found, 0.1).draw(3, rng=np.random.default_rng(0))
