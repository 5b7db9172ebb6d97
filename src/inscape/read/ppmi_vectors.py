"""PPMI vectors: words as vectors from what they stand beside, counted.

    PPMI_ij = max(0, log p(i, j) / (p(i) p(j)))        vectors: U √S of its d leading singular vectors

Two words stand together where one document holds both. The square root of the singular values is
what serves similarity best.

Cost: documents · words² for the counts, words² d for the vectors.
Reference: Levy and Goldberg (2014), Neural word embedding as implicit matrix factorization; Levy,
Goldberg and Dagan (2015), TACL 3, §3.3 (the root of S).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int, Real
from sklearn.utils.extmath import randomized_svd

from inscape.core.pair_matrices import checked_pairs


def ppmi_vectors(
    counts: Real[np.ndarray, "docs words"], width: int = 100, *, rng: np.random.Generator
) -> Float64[np.ndarray, "words d"]:
    """Vectors of the words of a corpus.

    Args:
        counts: how often each word stands in each document.
        width: d; fewer where there are fewer words.
        rng: of the randomised decomposition.

    Raises:
        ValueError: no two words stand together, or a count that is negative or not finite.

    Example:
        >>> counts = np.array([[2.0, 1, 0, 0], [1, 2, 0, 0], [0, 0, 2, 1], [0, 0, 1, 2]])
        >>> x = ppmi_vectors(counts, 2, rng=np.random.default_rng(0))
        >>> np.abs(x @ x.T).round(2)[0].tolist()
        [0.63, 0.63, 0.0, 0.0]
    """
    counts = _counts(counts, "ppmi_vectors")
    pairs = counts.T @ counts
    pairs -= np.diag(counts.sum(axis=0))  # a word does not stand beside itself
    if not pairs.sum() > 0:
        raise ValueError(
            "ppmi_vectors: no two words stand in one document, so there is nothing to count"
        )
    return ppmi_from_pairs(pairs, width, rng=rng)


def ppmi_from_pairs(
    pairs: Real[np.ndarray, "words words"], width: int = 100, *, rng: np.random.Generator
) -> Float64[np.ndarray, "words d"]:
    """Vectors of words, or of any objects, of which pairs are counted.

    Args:
        pairs: how often each stands beside each other, symmetric; the diagonal is taken as it is,
            so set it to 0 where nothing stands beside itself.
        width: d; fewer where there are fewer words.
        rng: of the randomised decomposition.

    Raises:
        ValueError: no pair is counted, counts that are not symmetric, or one that is negative or
            not finite.

    Example:
        >>> pairs = np.array([[0.0, 4, 0, 0], [4, 0, 0, 0], [0, 0, 0, 4], [0, 0, 4, 0]])
        >>> x = ppmi_from_pairs(pairs, 4, rng=np.random.default_rng(0))
        >>> float(np.log(4).round(6)), (np.abs(x) ** 2).sum(axis=1).round(6).tolist()
        (1.386294, [1.386294, 1.386294, 1.386294, 1.386294])
    """
    pairs = checked_pairs(_counts(pairs, "ppmi_from_pairs"), "ppmi_from_pairs: pairs", least=1)
    total, each = pairs.sum(), pairs.sum(axis=1)
    if not total > 0:
        raise ValueError("ppmi_from_pairs: all counts are 0; give how often pairs stand together")
    expected = np.outer(each, each) / total
    ratio = np.divide(pairs, expected, out=np.ones_like(pairs), where=(expected > 0) & (pairs > 0))
    u, s, _ = randomized_svd(
        np.maximum(np.log(ratio), 0.0),
        min(width, len(pairs)),
        random_state=int(rng.integers(2**31)),
    )
    return u * np.sqrt(s)


def frequency_order(counts: Real[np.ndarray, "docs words"]) -> Int[np.ndarray, " words"]:
    """Words from the most frequent to the rarest."""
    return np.argsort(-counts.sum(axis=0, dtype=np.float64), kind="stable")


def _counts(x: np.ndarray, caller: str) -> np.ndarray:
    """In floating point: products of small whole numbers would wrap around."""
    counts = np.asarray(x, dtype=np.float64)
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError(f"{caller}: counts are finite and 0 or more")
    return counts
