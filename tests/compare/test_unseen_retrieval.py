"""Unseen classes are retrieved where sides share something, and by chance where they do not."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from inscape.compare.contrastive_alignment import ContrastiveAlignment
from inscape.compare.unseen_retrieval import RotatedAlignment, unseen_found
from inscape.core.folds import random_folds
from tests.compare.test_contrastive_alignment import world

ALIGNMENTS = {"contrast": ContrastiveAlignment(4, steps=80), "rotation": RotatedAlignment()}


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_what_is_shared_is_found_and_permuted_names_are_at_chance(name):
    texts, items, own = world(40, 5)
    rng = np.random.default_rng(0)
    every = np.stack([texts, *(texts[rng.permutation(40)] for _ in range(20))])
    folds = random_folds(40, 4, rng=rng)
    found = unseen_found(every, items, own, folds, ALIGNMENTS[name])
    assert found.shape == (21, 40)
    shares = found.mean(axis=1)
    assert shares[0] > shares[1:].max() + 0.1
    assert shares[1:].mean() == pytest.approx(5 / 40, abs=0.06)


class Told:
    """An alignment that writes down what it was given, and names the class of lowest number."""

    given: ClassVar[list] = []

    def get_params(self, deep=True):
        return {}

    def fit(self, texts, items, classes):
        Told.given.append((texts.copy(), len(items), classes.copy()))
        return self

    def scores(self, texts, items):
        return -np.tile(np.arange(texts.shape[1], dtype=float), (len(texts), len(items), 1))


def test_unseen_classes_are_kept_from_the_alignment_and_counted_while_unseen_alone():
    texts, items, own = world(6, 3)
    folds = [(np.array([0, 2, 4, 5]), np.array([1, 3])), (np.array([0, 1, 2, 3]), np.array([4]))]
    found = unseen_found(texts[None], items, own, folds, Told(), first=2)
    (first, count, classes), _ = Told.given
    assert np.array_equal(first[0], texts[[0, 2, 4, 5]])
    assert count == 12
    assert np.array_equal(classes, np.repeat(np.arange(4), 3))
    # the first two names are 0 and 1, whatever is heard
    assert found[0, [1, 3, 4]].tolist() == [1, 0, 0]
    assert np.isnan(found[0, [0, 2, 5]]).all()


def test_a_rotation_of_noise_finds_nothing():
    rng = np.random.default_rng(0)
    texts, own = rng.normal(size=(1, 30, 5)), np.arange(30).repeat(3)
    items = rng.normal(size=(30, 6))[own]
    found = unseen_found(texts, items, own, random_folds(30, 5, rng=rng), RotatedAlignment())
    assert found.mean() < 0.4


def test_the_order_of_the_seen_classes_does_not_matter():
    rng = np.random.default_rng(0)
    texts, own = rng.normal(size=(1, 12, 3)), np.arange(12).repeat(2)
    items = texts[0, own]
    seen, unseen = np.arange(8), np.arange(8, 12)
    straight, turned = (
        unseen_found(texts, items, own, [(order, unseen)], RotatedAlignment(), first=1)
        for order in (seen, seen[::-1].copy())
    )
    assert np.nanmean(straight) == 1.0
    np.testing.assert_array_equal(turned, straight)
