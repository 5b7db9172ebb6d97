"""What spelling alone says: character n-grams of the input, as a representation to compare a
network's with.

A probe that reads a fact off a network may be reading the letters: *-grad* is in Russia. TF-IDF
weights of character n-grams within words, reduced by a truncated SVD, are probed like any site;
labels play no part in making them.

Cost: O(characters · n-gram lengths + n d²).
Reference: the n-gram baselines of Gurnee and Tegmark (2023), arXiv:2310.02207; Hewitt and Liang
(2019), arXiv:1909.03368.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer


def letters(
    texts: Sequence[str], width: int = 512, longest: int = 4, seed: int = 0
) -> Float[np.ndarray, "n d"]:
    """Character n-grams of texts as vectors.

    Args:
        texts: the inputs.
        width: at most so many dimensions; fewer where there are fewer texts or n-grams.
        longest: n-grams of 1 to so many characters, word boundaries marked.
        seed: of the truncated SVD.

    Returns:
        (n, d) float64.

    Raises:
        ValueError: fewer than three texts, no character in any of them, or a width below 1.

    Example:
        >>> letters(["Leningrad", "Stalingrad", "Lima"], width=2).shape
        (3, 2)
    """
    if len(texts) < 3:
        raise ValueError(f"letters: needs at least three texts, got {len(texts)}")
    if width < 1 or not any(text.strip() for text in texts):
        raise ValueError(
            f"letters: needs a width of at least 1 and a text that is not empty, got {width}"
        )
    counts = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, longest), sublinear_tf=True
    ).fit_transform(texts)
    d = min(width, len(texts) - 1, counts.shape[1] - 1)
    return TruncatedSVD(d, random_state=seed).fit_transform(counts)
