"""A made chemistry: what bonds with what follows charge, size and valence; rewiring leaves only how
often.
"""

from __future__ import annotations

import numpy as np

from inscape.worlds.bonded_elements import bonded_elements, corpus, rewired, twin_corpora


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_chances_are_symmetric_and_high_valence_is_needed_for_a_triple_bond():
    made = bonded_elements(40, rng=rng())
    assert np.allclose(made.sum(axis=(1, 2)), 1)
    assert np.allclose(made, made.swapaxes(1, 2))
    able = [(own.sum(axis=1) > 0).sum() for own in made]
    assert able == [40, 30, 20]


def test_without_pull_only_how_often_an_element_is_there_decides():
    one = bonded_elements(20, pull=0.0, rng=rng())[0]
    each = one.sum(axis=1)
    assert np.allclose(one, np.outer(each, each))
    pulled = bonded_elements(20, rng=rng())[0]
    each = pulled.sum(axis=1)
    assert not np.allclose(pulled, np.outer(each, each), atol=1e-3)


def test_rewiring_keeps_how_often_each_element_is_bonded_and_loses_with_whom():
    chances = bonded_elements(20, rng=rng())
    counts = corpus(chances, 200_000, rng=rng(1))
    other = rewired(counts, rng=rng(2))
    assert np.array_equal(other.sum(axis=2), counts.sum(axis=2))
    assert np.array_equal(other, other.swapaxes(1, 2))
    for own, is_independent in ((counts[0], False), (other[0], True)):
        each = own.sum(axis=1) / own.sum()
        gap = np.abs(own / own.sum() - np.outer(each, each)).sum()
        assert (gap < 0.05) == is_independent


def test_the_second_corpus_is_one_of_the_same_chemistry_under_the_names_of_the_pairs():
    made = twin_corpora(20, 200_000, rng=rng())
    element, name = made.pairs.T
    assert sorted(element.tolist()) == sorted(name.tolist()) == list(range(20))
    back = made.second[:, name[:, None], name]  # by element, in the order of the pairs
    own = made.first[:, element[:, None], element]
    assert not np.array_equal(own, back)
    gap = lambda a, b: np.abs(a - b).sum() / own.sum()  # noqa: E731
    assert gap(own, back) < 0.05 < 0.3 < gap(made.first, made.second)
    assert np.array_equal(made.rewired.sum(axis=2), made.second.sum(axis=2))
    assert gap(made.rewired, made.second) > 0.1
