"""Clouds whose pieces, loops and hollows are known."""

import sys

import numpy as np
import pytest

from inscape.core.errors import InscapeError
from inscape.shape.persistence import persistence, subsampled_persistence

pytest.importorskip("gudhi")


def circle(n):
    angle = 2 * np.pi * np.arange(n) / n
    return np.column_stack([np.cos(angle), np.sin(angle)])


def test_a_circle_has_one_loop_from_its_side_to_its_inscribed_triangle():
    found = persistence(circle(30))
    # born where neighbours meet; it is filled by the first triangle around the centre
    assert found.diagrams[1] == pytest.approx(np.array([[2 * np.sin(np.pi / 30), np.sqrt(3)]]))
    assert found.diagrams[0][:, 1] == pytest.approx(2 * np.sin(np.pi / 30))
    assert len(found.diagrams[0]) == 29
    assert found.total(1) == pytest.approx(found.longest(1))


def test_pieces_die_along_the_least_spanning_tree():
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import pdist, squareform

    x = np.random.default_rng(0).normal(size=(60, 4))
    tree = minimum_spanning_tree(squareform(pdist(x))).data
    found = persistence(x, dimension=0)
    assert found.diagrams[0][:, 0].tolist() == [0.0] * 59
    assert found.diagrams[0][:, 1] == pytest.approx(np.sort(tree)[::-1])


def test_lifetimes_have_no_unit_and_a_rotation_changes_nothing():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    one, other = persistence(x), persistence(5 * x @ turn + 2)
    for k in (0, 1):
        assert one.lifetimes(k) == pytest.approx(other.lifetimes(k), abs=1e-9)


def test_a_sphere_has_a_hollow_and_a_ball_has_none_as_long():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(80, 3))
    ball = x * (rng.random((80, 1)) ** (1 / 3) / np.linalg.norm(x, axis=1, keepdims=True))
    sphere = x / np.linalg.norm(x, axis=1, keepdims=True)
    hollow, full = (persistence(c, dimension=2).longest(2) for c in (sphere, ball))
    assert hollow > 0.2 > 2 * full


def test_subsamples_tell_a_loop_from_noise():
    rng = np.random.default_rng(3)
    ring = circle(300) + 0.1 * rng.normal(size=(300, 2))
    blob = rng.normal(size=(300, 2))
    loops = [
        subsampled_persistence(c, items=60, trials=5, rng=np.random.default_rng(4))[:, 1]
        for c in (ring, blob)
    ]
    assert loops[0].min() > 2 * loops[1].max()
    assert loops[0].std() > 0


def test_what_cannot_be_done_is_said(monkeypatch):
    with pytest.raises(ValueError, match="use subsampled_persistence"):
        persistence(np.zeros((501, 2)))
    with pytest.raises(ValueError, match="all items are the same"):
        persistence(np.ones((5, 2)))
    with pytest.raises(ValueError, match="dimension must be 0 or more"):
        persistence(circle(5), dimension=-1)
    with pytest.raises(ValueError, match="60 of 10 items"):
        subsampled_persistence(circle(10), items=60, rng=np.random.default_rng(0))
    monkeypatch.setitem(sys.modules, "gudhi", None)
    with pytest.raises(InscapeError, match=r"pip install 'inscape\[topology\]'"):
        persistence(circle(5))


def test_most_pairs_the_same_and_dimensions_not_computed_are_refused():
    pytest.importorskip("gudhi")
    with pytest.raises(ValueError, match="most pairs of items are the same"):
        persistence(np.repeat([[0.0], [1.0]], [19, 1], axis=0))
    found = persistence(np.random.default_rng(0).normal(size=(12, 2)))
    assert found.longest(1) >= 0
    with pytest.raises(ValueError, match="dimensions 0 to 1 were computed, not 2"):
        found.longest(2)
