"""PPMI vectors: the formula entry by entry, and counts of pairs in place of documents."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.read.ppmi_vectors import frequency_order, ppmi_from_pairs, ppmi_vectors


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def pairs(n: int = 8) -> np.ndarray:
    one = np.triu(rng().integers(0, 6, size=(n, n)), 1).astype(float)
    return one + one.T


def test_all_directions_hold_the_ppmi_of_every_pair():
    made = pairs()
    x = ppmi_from_pairs(made, 8, rng=rng())
    p, alone = made / made.sum(), made.sum(axis=1) / made.sum()
    slow = np.zeros((8, 8))
    for i in range(8):
        for j in range(8):
            if made[i, j] > 0:
                slow[i, j] = max(0.0, np.log(p[i, j] / (alone[i] * alone[j])))
    assert (slow > 0).sum() > 10
    # U √S of a symmetric matrix: its square root up to signs, so squares of the matrix are kept
    assert x @ np.diag((x**2).sum(axis=0)) @ x.T == pytest.approx(slow @ slow, abs=1e-9)


def test_documents_of_two_words_are_pairs():
    made = pairs()
    a, b = np.triu_indices(8, 1)
    times = made[a, b].astype(int)
    documents = np.zeros((times.sum(), 8))
    for end in (a, b):
        documents[np.arange(len(documents)), np.repeat(end, times)] = 1
    one, other = ppmi_vectors(documents, 4, rng=rng()), ppmi_from_pairs(made, 4, rng=rng())
    assert np.array_equal(one, other)


def test_nothing_beside_anything_is_refused():
    with pytest.raises(ValueError, match="no two words stand in one document"):
        ppmi_vectors(np.eye(3), 2, rng=rng())
    with pytest.raises(ValueError, match="ppmi_from_pairs: all counts are 0; give how often"):
        ppmi_from_pairs(np.zeros((3, 3)), 2, rng=rng())


def test_small_whole_numbers_do_not_wrap_around():
    counts = np.array([[200, 100, 0], [100, 200, 0], [0, 90, 80]])
    wanted = ppmi_vectors(counts.astype(float), 3, rng=np.random.default_rng(0))
    for kind in (np.uint8, np.int64):
        found = ppmi_vectors(counts.astype(kind), 3, rng=np.random.default_rng(0))
        np.testing.assert_allclose(found, wanted)
    assert frequency_order(np.array([[0, 5, 9]], dtype=np.uint8)).tolist() == [2, 1, 0]


def test_counts_that_are_none_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="ppmi_vectors: counts are finite and 0 or more"):
        ppmi_vectors(np.array([[1.0, np.nan]]), rng=rng)
    with pytest.raises(ValueError, match="ppmi_from_pairs: counts are finite and 0 or more"):
        ppmi_from_pairs(np.array([[0.0, -1.0], [-1.0, 0.0]]), rng=rng)
    with pytest.raises(ValueError, match="ppmi_from_pairs: pairs is not symmetric"):
        ppmi_from_pairs(np.array([[0.0, 4.0], [1.0, 0.0]]), rng=rng)
