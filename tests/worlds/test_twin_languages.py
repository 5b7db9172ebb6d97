"""Twin languages: apart in words and documents, alike in how meanings go together; and vectors of
counts.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.read.ppmi_vectors import frequency_order, ppmi_vectors
from inscape.worlds.twin_languages import twin_languages


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_frequencies_follow_the_dictionary_and_documents_are_others():
    made = twin_languages(80, 3000, rng=rng())
    assert (made.first.sum(axis=1) == 60).all()
    assert sorted(made.dictionary) == list(range(80))
    own, other = made.first.sum(axis=0), made.second.sum(axis=0)[made.dictionary]
    assert np.corrcoef(own, other)[0, 1] > 0.95
    assert abs(np.corrcoef(own, made.second.sum(axis=0))[0, 1]) < 0.5
    assert not np.array_equal(made.first, made.second[:, made.dictionary])
    assert (np.diff(own[frequency_order(made.first)]) <= 0).all()
    # without topics nothing but Zipf's law decides: the order of counts is that of the ranks
    plain = twin_languages(80, 3000, spread=0.0, rng=rng())
    assert np.corrcoef(np.argsort(frequency_order(plain.first)), plain.rank)[0, 1] > 0.99


def test_words_go_together_alike_in_both_only_where_topics_decide():
    def agreement(spread: float) -> float:
        made = twin_languages(60, 4000, spread=spread, rng=rng(1))
        x, y = (ppmi_vectors(c, 60, rng=rng(2)) for c in (made.first, made.second))
        y = y[made.dictionary]
        off = ~np.eye(60, dtype=bool)
        return np.corrcoef((x @ x.T)[off], (y @ y.T)[off])[0, 1]

    assert agreement(1.0) > 0.8
    assert abs(agreement(0.0)) < 0.2


def test_all_components_give_back_the_table_of_ppmi():
    counts = rng(3).poisson(1.0, size=(40, 6)).astype(float)
    pairs = sum(np.outer(row, row) for row in counts) - np.diag(counts.sum(axis=0))
    p, each = pairs / pairs.sum(), pairs.sum(axis=1) / pairs.sum()
    slow = np.maximum(np.log(p / np.outer(each, each)), 0)
    u, s, _ = np.linalg.svd(slow)
    x = ppmi_vectors(counts, 6, rng=rng())
    assert np.allclose(np.sort(np.linalg.norm(x, axis=0) ** 2)[::-1], s, atol=1e-6)
    assert np.allclose(x @ x.T, (u * s) @ u.T, atol=1e-6)


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="no two words stand in one document"):
        ppmi_vectors(np.eye(3), 2, rng=rng())
