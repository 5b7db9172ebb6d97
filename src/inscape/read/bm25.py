"""BM25: how well does a document match the words of a query? The score of sparse retrieval.

    score(q, d) = Σ over words w of q   idf(w) · tf (κ + 1) / (tf + κ (1 − b + b · length / mean length))
    idf(w) = log(1 + (n − df + ½) / (df + ½))

Cost: that of a sparse product.
Reference: Robertson and Zaragoza (2009), The probabilistic relevance framework: BM25 and beyond.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer


class Bm25:
    """Documents that queries are scored against.

    Args:
        documents: their texts.
        saturation: κ, how soon more of one word counts no more.
        lengths: b, from 0 (length does not matter) to 1.

    Raises:
        ValueError: no document has a word, or lengths or saturation out of range.

    Example:
        >>> found = Bm25(["a red fox", "a grey wolf", "a fox and a wolf"]).scores(["grey wolf"])
        >>> int(found.argmax())
        1
    """

    def __init__(
        self, documents: Sequence[str], *, saturation: float = 1.2, lengths: float = 0.75
    ) -> None:
        self._words = CountVectorizer(token_pattern=r"(?u)\b\w+\b")
        if not 0 <= lengths <= 1 or saturation < 0:
            raise ValueError(
                f"Bm25: lengths must be between 0 and 1 and saturation 0 or more, got {lengths} and "
                f"{saturation}"
            )
        if not any(self._words.build_analyzer()(text) for text in documents):
            raise ValueError("Bm25: no document has a word; give texts that are not empty")
        counts = csr_matrix(self._words.fit_transform(documents), dtype=np.float64)
        held = np.bincount(counts.indices, minlength=counts.shape[1])
        self.idf = np.log1p((len(documents) - held + 0.5) / (held + 0.5))
        long = np.asarray(counts.sum(axis=1)).ravel()
        norm = saturation * (1 - lengths + lengths * long / long.mean())
        rows = np.repeat(np.arange(len(documents)), np.diff(counts.indptr))
        counts.data *= (saturation + 1) / (counts.data + norm[rows])
        self._weights = counts.multiply(self.idf[None]).tocsr()

    def scores(self, queries: Sequence[str]) -> Float64[np.ndarray, "q n"]:
        """The score of every document for every query; words that no document has count nothing."""
        asked = self._words.transform(queries).astype(np.float64)
        return np.asarray((asked @ self._weights.T).todense())
