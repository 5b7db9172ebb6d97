"""PPMI vectors: the formula entry by entry, and counts of pairs in place of documents."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.read.ppmi_vectors import ppmi_from_pairs, ppmi_vectors


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
