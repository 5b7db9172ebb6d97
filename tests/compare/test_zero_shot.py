"""Zero-shot naming and retrieval: planted concepts are named, chance is zero, and loops agree."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.compare.zero_shot import (
    attributes_named,
    combinations_there,
    concept_directions,
    joint_scores,
    named_above_chance,
    precision_at,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_directions_are_means_of_unit_texts_whatever_their_length():
    texts, classes = rng().normal(size=(12, 5)), np.arange(12) % 3
    found = concept_directions(texts * np.arange(1, 13)[:, None], classes, 3)
    for c in range(3):
        mean = np.mean([t / np.linalg.norm(t) for t in texts[classes == c]], axis=0)
        assert found[c] == pytest.approx(mean / np.linalg.norm(mean))
    with pytest.raises(ValueError, match="no text says the class 3"):
        concept_directions(texts, classes, 4)


def test_planted_pictures_are_named_and_noise_is_named_by_chance():
    concepts, classes = rng().normal(size=(4, 20)), np.arange(4000) % 4
    own = concepts[classes] + 0.1 * rng(1).normal(size=(4000, 20))
    assert named_above_chance(own, concepts, classes).mean() > 0.99
    assert abs(named_above_chance(rng(2).normal(size=own.shape), concepts, classes).mean()) < 0.05
    wrong = named_above_chance(own, concepts, (classes + 1) % 4)
    assert wrong.mean() == pytest.approx(-1 / 3, abs=0.01)


def test_attributes_count_alike_whatever_the_number_of_their_classes():
    """One of two attributes named right: 1 and −1/(k − 1), halved."""
    shapes, colours = np.eye(9)[:3], np.eye(9)[3:9]
    z = np.stack([shapes[1] + colours[2], shapes[0] + colours[5]])
    right = np.array([[1, 2], [2, 5]])
    assert attributes_named(z, [shapes, colours], right) == pytest.approx([1, (1 - 1 / 2) / 2])
    assert attributes_named(z, [shapes, colours], right[::-1])[0] == pytest.approx(
        -(1 / 2 + 1 / 5) / 2
    )


def test_joint_scores_are_sums_of_standardised_cosines():
    z, a, b = (rng(i).normal(size=(n, 6)) for i, n in enumerate((30, 2, 3)))
    found = joint_scores(z, a, b)
    assert found.shape == (30, 2, 3)

    def standard(concept: np.ndarray) -> np.ndarray:
        near = [x @ concept / np.linalg.norm(x) / np.linalg.norm(concept) for x in z]
        return (near - np.mean(near)) / np.std(near)

    for i in range(2):
        for j in range(3):
            assert found[:, i, j] == pytest.approx(standard(a[i]) + standard(b[j]))
    with pytest.raises(ValueError, match="equally near"):
        joint_scores(np.ones((5, 6)), np.zeros((1, 6)))


def test_a_concept_that_varies_more_does_not_decide_alone():
    """Pictures with both of two properties come first, though one of the two is louder."""
    has = rng().random((200, 2)) < 0.3
    z = np.concatenate(
        [has * [5.0, 1.0] + 0.05 * rng(1).normal(size=(200, 2)), np.ones((200, 1))], 1
    )
    both = has.all(axis=1)
    score = joint_scores(z, np.eye(3)[:1], np.eye(3)[1:2])[:, 0, 0]
    assert both[np.argsort(-score)[: both.sum()]].mean() > 0.9
    loud = z[:, 0] / np.linalg.norm(z, axis=1)
    assert both[np.argsort(-loud)[: both.sum()]].mean() < 0.7


def test_combinations_are_those_that_a_picture_shows():
    classes = rng().integers((3, 4, 2), size=(15, 3))
    right, there = combinations_there(classes, (3, 4, 2))
    shown = sorted({tuple(own) for own in classes.tolist()})
    assert 1 < len(shown) < 24  # some are shown, and not all
    assert [tuple(at) for at in np.argwhere(there).tolist()] == shown
    for q, own in enumerate(shown):
        assert right[:, q].tolist() == [tuple(c) == own for c in classes.tolist()]
    assert (right.sum(axis=1) == 1).all()


def test_combinations_have_a_count_for_each_attribute():
    with pytest.raises(ValueError, match="classes of 2 attributes and counts of 3"):
        combinations_there(np.array([[0, 1]]), (2, 2, 2))
    for own in (2, -1):
        with pytest.raises(ValueError, match="go from 0 to its count less one, with counts"):
            combinations_there(np.array([[0, own]]), (2, 2))


def test_precision_counts_what_is_right_among_the_first():
    scores, right = rng().normal(size=(40, 3)), rng(1).random((40, 3)) < 0.3
    for q, found in enumerate(precision_at(scores, right, 7)):
        first = sorted(range(40), key=lambda i: -scores[i, q])[:7]
        assert found == pytest.approx(np.mean([right[i, q] for i in first]))
    assert precision_at(right.astype(float), right, 5).tolist() == [1.0] * 3


def test_concepts_have_a_direction_and_classes_a_concept():
    texts = np.array([[2.0, 0.0], [0.0, 5.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="class 2 is not one of 0 … 1"):
        concept_directions(texts[:2].repeat(2, axis=0)[:3], np.array([0, 1, 2]), 2)
    with pytest.raises(ValueError, match="a text is zero and has no direction"):
        concept_directions(texts, np.array([0, 1, 1]), 2)
    with pytest.raises(ValueError, match="the texts of a class cancel out"):
        concept_directions(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([0, 0]), 1)
    for concepts, right in ((np.eye(2), 2), (np.eye(2), -1), (np.eye(2)[:1], 0)):
        with pytest.raises(ValueError, match="needs two concepts or more, and one for each class"):
            named_above_chance(np.ones((1, 2)), concepts, np.array([right]))


def test_precision_is_of_items_that_have_a_place():
    scores, right = np.array([[0.9], [0.1]]), np.array([[True], [False]])
    for k in (0, 3):
        with pytest.raises(ValueError, match="k must be between 1 and 2, the items"):
            precision_at(scores, right, k)
    with pytest.raises(ValueError, match="scores hold NaN, which has no place"):
        precision_at(np.array([[np.nan], [0.1]]), right, 1)
