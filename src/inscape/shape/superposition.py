"""Superposition: do features share directions, and how much of a dimension has each?

    interference_i   = Σ_{j ≠ i} (ŵ_i · w_j)²                       what the other features put along feature i
    dimensionality_i = ‖w_i‖² / Σ_j (ŵ_i · w_j)²                    1: a direction of its own; ½: an antipodal pair

with w_i the direction of feature i and ŵ_i of unit length. Dimensionalities sum to at most d, and
to d where features form a tight frame; d / n is what each of n features has where they share
evenly. Interference is of *directions*: whether it does harm depends on how often features are
active together.

Cost: n² d for n features.
Reference: Elhage et al. (2022), Toy models of superposition, transformer-circuits.pub, "The
geometry of superposition".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from inscape.core.item_rows import checked_rows


class Superposition(NamedTuple):
    """Each feature's share of the space.

    Attributes:
        dimensionality: (n,), 0 where a feature has no direction.
        interference: (n,), in squared units of the other features' lengths.
        per_dimension: features with a direction, for each dimension of the space.
    """

    dimensionality: Float64[np.ndarray, " n"]
    interference: Float64[np.ndarray, " n"]
    per_dimension: float


def superposition(directions: Any) -> Superposition:
    """How features share the dimensions of a space.

    Args:
        directions: one a feature, (n, d): rows of a decoder, class directions, columns of an
            embedding's transpose.

    Raises:
        ValueError: all directions are zero.

    Example:
        >>> pair = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0]])
        >>> superposition(pair).dimensionality.tolist(), superposition(pair).interference.tolist()
        ([0.5, 0.5, 1.0], [1.0, 1.0, 0.0])
    """
    w = checked_rows(directions, "superposition: directions")
    length = np.linalg.norm(w, axis=1)
    if not (there := length > 0).any():
        raise ValueError("superposition: all directions are zero, so there is nothing to share")
    unit = np.divide(w, length[:, None], out=np.zeros_like(w), where=there[:, None])
    along = ((unit @ w.T) ** 2).sum(axis=1)
    own = length**2
    shares = np.divide(own, along, out=np.zeros(len(w)), where=there)
    return Superposition(shares, np.maximum(along - own, 0.0), float(there.sum()) / w.shape[1])
