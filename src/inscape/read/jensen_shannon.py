"""Jensen–Shannon divergence: how far apart two predictions are, whatever they are predictions of.

    JS(p, q) = ½ KL(p ‖ m) + ½ KL(q ‖ m),   m = (p + q) / 2          0 ≤ JS ≤ ln 2

Symmetric, finite where one is zero and the other is not, zero only where they agree; its square
root is a metric. It is computed from log-probabilities, in float64, so that small probabilities
count for what they are. Cost O(n v).

Reference: Lin (1991), IEEE Trans. Inf. Theory 37(1); Endres and Schindelin (2003) for the metric.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.special import log_softmax


def jensen_shannon(
    p: Float[np.ndarray, "n v"], q: Float[np.ndarray, "m w"]
) -> Float[np.ndarray, " n"]:
    """Divergence in nats of each row's two distributions.

    Args:
        p: logits or log-probabilities; they are normalised here.
        q: the same for the other one.

    Returns:
        (n,) float64 in [0, ln 2].

    Raises:
        ValueError: shapes that differ, or a row without a distribution: NaN, +∞, or all −∞.

    Example:
        >>> jensen_shannon(np.array([[0.0, -99.0]]), np.array([[-99.0, 0.0]])).round(3).tolist()
        [0.693]
    """
    if p.shape != q.shape:
        raise ValueError(f"jensen_shannon: shapes must be alike, got {p.shape} and {q.shape}")
    sides = [np.asarray(x, dtype=np.float64) for x in (p, q)]
    # below, what 0 · ∞ gives counts as 0, so that a NaN would pass for no difference
    if not all((x < np.inf).all() and (x > -np.inf).any(axis=1).all() for x in sides):
        raise ValueError(
            "jensen_shannon: a row holds NaN or +inf, or nothing but -inf, so it is no distribution"
        )
    a, b = (log_softmax(x, axis=1) for x in sides)
    m = np.logaddexp(a, b) - np.log(2.0)
    with np.errstate(invalid="ignore"):  # 0 · (−∞ − −∞): a probability of zero adds nothing
        parts = np.nan_to_num(np.exp(a) * (a - m)) + np.nan_to_num(np.exp(b) * (b - m))
    return np.maximum(0.5 * parts.sum(axis=1), 0.0)
