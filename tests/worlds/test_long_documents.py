"""Long documents: a query's words are its document's, and margins shrink with length."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.shape.projection_margin import margin
from inscape.worlds.long_documents import long_documents


def test_a_query_has_words_of_its_own_document():
    made = long_documents(20, 100, words=800, rng=np.random.default_rng(0))
    asked = made.queries > 0
    assert (asked.sum(axis=1) == 8).all()
    assert (made.own[asked] > 0).all()
    assert (made.other[asked] == 0).mean() > 0.3
    assert np.array_equal(made.other[1:], made.own[:-1])


def test_margins_shrink_with_length():
    medians = []
    for length in (50, 400, 3000):
        made = long_documents(40, length, rng=np.random.default_rng(1))
        medians.append(np.median(margin(made.queries, made.own, made.other)))
    assert medians[0] > 1.5 * medians[1] > 2 * medians[2]
    assert medians[2] > 0


def test_documents_must_be_longer_than_queries():
    with pytest.raises(ValueError, match="10 words are too few for queries of 8"):
        long_documents(3, 10, rng=np.random.default_rng(0))
