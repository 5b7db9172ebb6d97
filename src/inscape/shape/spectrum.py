"""The spectrum of a representation: its variances along principal components, and singular values
as it is.

    λ: eigenvalues of the covariance of centred rows          σ: singular values of the rows, not centred

What the ranks of this room are made of. An offset of all rows is one large singular value and no
variance, so that centred and uncentred ranks of one representation may be far apart; every measure
says which it takes.

Cost: min(n, d)² max(n, d).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from inscape.core.item_rows import centred_rows, checked_rows


def variances(x: Any) -> Float64[np.ndarray, " r"]:
    """Eigenvalues of the covariance, descending, the zero ones beyond min(n − 1, d) left out.

    Args:
        x: (n, d), at least 2 rows.

    Raises:
        ValueError: rows that are all the same; not two axes; numbers that are not finite.
    """
    rows = checked_rows(x, "variances: x", least=2)
    found = np.linalg.svd(centred_rows(rows), compute_uv=False)
    if not found[0] > 0:
        raise ValueError(
            "variances: all rows are the same, so there is no spectrum; leave that site out"
        )
    return (found**2 / (len(rows) - 1))[: min(len(rows) - 1, rows.shape[1])]


def singular_values(x: Any) -> Float64[np.ndarray, " r"]:
    """Singular values of the rows as they are, descending.

    Args:
        x: (n, d).

    Raises:
        ValueError: rows that are all zero; not two axes; numbers that are not finite.
    """
    found = np.linalg.svd(checked_rows(x, "singular_values: x"), compute_uv=False)
    if not found[0] > 0:
        raise ValueError("singular_values: all rows are zero, so there is no spectrum")
    return found


def entropy(shares: Float64[np.ndarray, " r"]) -> float:
    """``−Σ p log p`` in nats; a share of zero adds nothing.

    Raises:
        ValueError: shares that are NaN, negative or do not sum to 1.

    Example:
        >>> round(entropy(np.full(4, 0.25)), 6) == round(float(np.log(4)), 6)
        True
    """
    if not (shares >= 0).all() or not np.isclose(shares.sum(), 1.0):
        raise ValueError("entropy: shares must be 0 or more and sum to 1; divide them by their sum")
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def shares_by_rank(rows: Mapping[str, Any], floor: float = 1e-8) -> pd.DataFrame:
    """Shares of the variance along principal components, ready to be drawn: ``series``, ``x`` (the
    component, from 1), ``value`` (log10 of the share).

    Args:
        rows: series → (n, d).
        floor: the least share.

    Raises:
        ValueError: no series; as `variances`.
    """
    if not rows:
        raise ValueError("shares_by_rank: there is no series; give at least one")
    parts = []
    for series, x in rows.items():
        found = variances(x)
        value = np.log10(np.maximum(found / found.sum(), floor))
        parts.append(
            pd.DataFrame({"series": series, "x": np.arange(len(found)) + 1, "value": value})
        )
    return pd.concat(parts, ignore_index=True)
