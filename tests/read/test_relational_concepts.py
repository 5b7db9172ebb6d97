"""Concept directions: the inverse of a relation finds what its objects are read by."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.read.relational import AffineRelation
from inscape.read.relational_concepts import (
    Concepts,
    mean_concepts,
    plain_concepts,
    relational_concepts,
    svm_concepts,
    unit_directions,
)


def world(seed=0, n=200, objects=4, d=12):
    """Subjects whose object is the largest of a few directions, hidden under wide variation
    elsewhere.
    """
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    truth = rng.integers(0, objects, n)
    s = 2.0 * np.eye(d)[truth] + 0.5 * rng.normal(size=(n, d))
    s[:, objects:] *= 12.0
    w = np.zeros((d, d))
    w[:objects, :objects] = np.eye(objects)
    return s @ basis.T, truth, AffineRelation(w @ basis.T, np.zeros(d))


def test_inverting_the_relation_classifies_what_means_cannot():
    s, truth, relation = world()
    outputs, train = relation(s), np.arange(200) < 40
    found = relational_concepts(relation, outputs[train], truth[train], rank=4)
    assert (found.predict(s[~train]) == truth[~train]).mean() > 0.95
    means = mean_concepts(s[train], truth[train])
    assert (means.predict(s[~train]) == truth[~train]).mean() < 0.7
    shuffled = np.random.default_rng(1).permutation(truth[train])
    wrong = relational_concepts(relation, outputs[train], shuffled, rank=4)
    assert (wrong.predict(s[~train]) == truth[~train]).mean() < 0.6


def test_a_swap_has_the_length_asked_for_and_makes_the_new_object_win():
    s, truth, relation = world()
    found = relational_concepts(relation, relation(s), truth, rank=4)
    row = s[truth == 0][:1]
    step = found.swap(0, 2, 6.0)
    assert np.linalg.norm(step) == pytest.approx(6.0)
    assert found.predict(row).tolist() == [0]
    assert found.predict(row + step).tolist() == [2]
    assert np.allclose(found.swap(2, 0, 6.0), -step)
    assert np.allclose(found.scores(row)[0], row[0] @ found.directions.T)


def test_scale_does_not_matter():
    s, truth, relation = world()
    once = relational_concepts(relation, relation(s), truth, 4)
    scaled = AffineRelation(5 * relation.weight, relation.bias)
    assert np.allclose(
        once.directions, relational_concepts(scaled, relation(s), truth, 4).directions
    )


def test_refusals():
    s, _, relation = world()
    with pytest.raises(ValueError, match="no prompt has object 1"):
        relational_concepts(relation, s[:2], np.array([0, 2]), 2)
    with pytest.raises(ValueError, match="must be unit vectors"):
        Concepts(np.ones((2, 3)))
    with pytest.raises(ValueError, match="row 1 is zero"):
        unit_directions(np.array([[1.0, 0.0], [0.0, 0.0]]))
    with pytest.raises(ValueError, match="have one direction"):
        Concepts(np.eye(2)[[0, 0]]).swap(0, 1, 1.0)


def test_svm_and_plain_means_point_to_their_objects():
    rng = np.random.default_rng(0)
    centres = np.eye(4)[:3] * 4
    for count in (2, 3):
        y = np.arange(60) % count
        x = (centres[y] + rng.normal(size=(60, 4)) * 0.3).astype(np.float32)
        for made in (svm_concepts(x, y), plain_concepts(x, y)):
            assert made.directions.shape == (count, 4)
            assert (made.predict(x) == y).all()
        assert np.allclose(plain_concepts(x, y).directions, np.eye(4)[:count], atol=0.1)
    two = svm_concepts(x[y < 2], y[y < 2]).directions
    assert np.allclose(two[0], -two[1])


@pytest.mark.parametrize("concepts", [mean_concepts, plain_concepts])
def test_every_object_has_a_state(concepts):
    states = np.random.default_rng(0).normal(size=(4, 3))
    with pytest.raises(ValueError, match="no prompt has object 1; number the objects without gaps"):
        concepts(states, np.array([0, 2, 2, 0]))
    with pytest.raises(ValueError, match="give the object of each of the 4 prompts, 0 or more"):
        concepts(states, np.array([0, 1, -1, 0]))


def test_a_row_with_nan_has_no_direction():
    with pytest.raises(ValueError, match="a row holds NaN or infinite numbers"):
        unit_directions(np.array([[1.0, np.nan]]))
