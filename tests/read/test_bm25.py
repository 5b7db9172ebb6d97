"""BM25 against the formula, word by word."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.read.bm25 import Bm25

DOCUMENTS = ["the cat saw the dog", "a dog", "the bird sang and sang to the cat", "rain"]


def slow(query: str, k: float, b: float) -> list[float]:
    split = [d.split() for d in DOCUMENTS]
    mean = np.mean([len(d) for d in split])
    out = []
    for document in split:
        total = 0.0
        for word in query.split():
            df = sum(word in d for d in split)
            tf = document.count(word)
            idf = np.log(1 + (len(split) - df + 0.5) / (df + 0.5))
            total += idf * tf * (k + 1) / (tf + k * (1 - b + b * len(document) / mean))
        out.append(total)
    return out


@pytest.mark.parametrize(("k", "b"), [(1.2, 0.75), (2.0, 0.0), (0.5, 1.0)])
def test_it_is_the_formula(k, b):
    found = Bm25(DOCUMENTS, saturation=k, lengths=b).scores(["the cat", "a dog sang", "snow"])
    for row, query in zip(found, ("the cat", "a dog sang", "snow"), strict=True):
        assert row == pytest.approx(slow(query, k, b))
    assert found[2].tolist() == [0, 0, 0, 0]


def test_documents_without_a_word_and_lengths_out_of_range_are_refused():
    for documents in ([], ["", " ,"]):
        with pytest.raises(ValueError, match="no document has a word; give texts"):
            Bm25(documents)
    for wrong in ({"lengths": 1.5}, {"saturation": -1.0}):
        with pytest.raises(ValueError, match="lengths must be between 0 and 1 and saturation 0"):
            Bm25(["a red fox"], **wrong)
