"""Long documents: word counts of documents of any length, and queries of words that one of them
has.

    rate of word w in a document ∝ 1 / rank(w) · exp(σ z),   z normal: every document has words of its own

What a query of eight words shares with its document is the same for all lengths; what the document
holds beside it grows.

Cost: that of the multinomial draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from inscape.core.between import check_between


@dataclass(frozen=True, eq=False)
class LongDocuments:
    """Queries with two documents each, as TF-IDF vectors.

    Attributes:
        queries: (n, words).
        own: the document that each query's words come from, (n, words).
        other: another document, (n, words).
    """

    queries: Float64[np.ndarray, "n v"]
    own: Float64[np.ndarray, "n v"]
    other: Float64[np.ndarray, "n v"]


def long_documents(
    n: int, length: int, *, words: int = 5000, asked: int = 8, rng: np.random.Generator
) -> LongDocuments:
    """Draw queries with their documents.

    Args:
        n: queries, and documents: the other document of a query is that of the next.
        length: words of a document.
        words: of the vocabulary.
        asked: words of a query, drawn without replacement from the words its document has.
        rng: of rates, counts and queries.

    Raises:
        ValueError: fewer than two queries; documents shorter than queries.
    """
    check_between("long_documents: n", n, 2)  # the other document is another's
    if length < 2 * asked:
        raise ValueError(
            f"long_documents: {length} words are too few for queries of {asked}; give twice as many"
        )
    rates = np.exp(1.5 * rng.normal(size=(n, words))) / np.arange(1, words + 1)
    rates /= rates.sum(axis=1, keepdims=True)
    counts = np.stack([rng.multinomial(length, own) for own in rates]).astype(np.float64)
    rarity = np.log((1 + n) / (1 + (counts > 0).sum(axis=0))) + 1
    queries = np.zeros((n, words))
    for row, own in zip(queries, counts, strict=True):
        held = np.flatnonzero(own)
        row[rng.choice(held, min(asked, len(held)), replace=False)] = 1.0
    documents = counts * rarity
    return LongDocuments(queries * rarity, documents, np.roll(documents, 1, axis=0))
