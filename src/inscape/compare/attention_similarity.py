"""Do two networks attend alike? Every head of one beside every head of the other, on the same texts
or sounds.

    Pearson            mean over items and queries of  corr over keys (a, b)
    Frobenius          1 − mean over items of  ‖A − B‖_F
    Jensen–Shannon     1 − mean over items and queries of  JS(a ‖ b),   in nats

A, B: attention of two heads on one item, a, b: one query's weights. A network's score is the mean
over its heads of the best head of the other, which several may share. Frobenius depends on the
length: items are of one length.

Cost: O(items · heads² · n²).
Reference: Wu et al. (2020), Similarity analysis of contextual word representation models,
arXiv:2005.01172, §3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from scipy.special import entr


@dataclass(frozen=True, eq=False)
class AttentionSimilarity:
    """Similarities of heads.

    Attributes:
        pearson: (h, g).
        frobenius: (h, g).
        jensen_shannon: (h, g).
    """

    pearson: Float64[np.ndarray, "h g"]
    frobenius: Float64[np.ndarray, "h g"]
    jensen_shannon: Float64[np.ndarray, "h g"]

    def best(self) -> tuple[float, float, float]:
        """Mean over the first network's heads of the best head of the other, by each measure."""
        every = (self.pearson, self.frobenius, self.jensen_shannon)
        pearson, frobenius, shannon = (float(x.max(axis=1).mean()) for x in every)
        return pearson, frobenius, shannon


def attention_similarity(
    a: Float[np.ndarray, "n h q k"], b: Float[np.ndarray, "m g r l"]
) -> AttentionSimilarity:
    """Compare the heads of two networks.

    Args:
        a: weights of one network's heads, which add up to one over keys, (items, heads, queries,
            keys).
        b: of the other's, on the same items.

    Raises:
        ValueError: other items, queries or keys, or weights that do not add up to one.

    Example:
        >>> here, back = np.eye(3)[None, None], np.eye(3)[::-1][None, None]
        >>> [round(s, 9) for s in attention_similarity(here, here).best()]
        [1.0, 1.0, 1.0]
        >>> round(attention_similarity(here, back).jensen_shannon.item(), 3)  # 1 − 2/3 ln 2
        0.538
    """
    a, b = (np.asarray(x, dtype=np.float64) for x in (a, b))
    if (a.shape[0], *a.shape[2:]) != (b.shape[0], *b.shape[2:]):
        raise ValueError(
            f"attention_similarity: items, queries and keys must be the same, got {a.shape} and "
            f"{b.shape}"
        )
    for x in (a, b):
        if (x < 0).any() or not np.allclose(x.sum(axis=-1), 1.0, atol=1e-3):
            raise ValueError("attention_similarity: a query's weights must add up to one over keys")
    out = np.empty((3, a.shape[1], b.shape[1]))
    flat, entropy = [_standard(x) for x in (a, b)], [entr(x).sum(axis=-1) for x in (a, b)]
    for h in range(a.shape[1]):
        for g in range(b.shape[1]):
            one, two = a[:, h], b[:, g]
            out[0, h, g] = (flat[0][:, h] * flat[1][:, g]).sum(axis=-1).mean()
            out[1, h, g] = 1 - np.sqrt(((one - two) ** 2).sum(axis=(1, 2))).mean()
            apart = entr((one + two) / 2).sum(axis=-1)
            apart -= (entropy[0][:, h] + entropy[1][:, g]) / 2
            out[2, h, g] = 1 - apart.mean()
    return AttentionSimilarity(*out)


def _standard(x: np.ndarray) -> np.ndarray:
    """Each query's weights about their mean, of length one; zero where all keys weigh the same."""
    away = x - x.mean(axis=-1, keepdims=True)
    size = np.linalg.norm(away, axis=-1, keepdims=True)
    return np.divide(away, size, out=np.zeros_like(away), where=size > 1e-12)
