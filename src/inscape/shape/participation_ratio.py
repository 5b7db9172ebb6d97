"""Participation ratio: over how many principal components is the variance spread?

    PR = (Σ λ)² / Σ λ²                λ: variances of the centred rows; 1 for one direction, d for an isotropic cloud

Ruled by the largest variances: of a slowly falling spectrum it is far below the entropy rank and
RankMe (5, 17 and 254 of one power law), which are other numbers with other names. At finite n it is
capped by n − 1, and for isotropic data in d dimensions is n d / (n + d): fix n where
representations are compared.

Cost: as `inscape.shape.spectrum`.
Reference: Litwin-Kumar et al. (2017), Neuron 93; Gao et al. (2017), bioRxiv 214262.
"""

from __future__ import annotations

from typing import Any

from inscape.shape.spectrum import variances


def participation_ratio(x: Any) -> float:
    """The participation ratio of the covariance's spectrum.

    Args:
        x: (n, d).

    Returns:
        Between 1 and min(n − 1, d).

    Raises:
        ValueError: rows that are all the same.

    Example:
        >>> import numpy as np
        >>> round(participation_ratio(np.concatenate([np.eye(3), -np.eye(3)])), 9)
        3.0
    """
    found = variances(x)
    return float(found.sum() ** 2 / (found**2).sum())
