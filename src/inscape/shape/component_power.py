"""How much of each neuron's weights lies in each component of a decomposition: one frequency, one
irreducible representation.

    share of component k in x = ‖P_k x‖² / Σ_j ‖P_j x‖²          over the components that are kept

Cost: k products with an (n, n) matrix.
Reference: Morwani et al. (2024), arXiv:2311.07568, section 6; Nanda et al. (2023),
arXiv:2301.05217, for frequencies of weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float64


def component_power(
    weights: Any, projections: Float[np.ndarray, "k n n"]
) -> Float64[np.ndarray, "m k"]:
    """Shares of the squared norm of each column in each component.

    Args:
        weights: a column for each neuron, (n, m).
        projections: onto components that are orthogonal to each other.

    Returns:
        One row a neuron, which adds up to 1; NaN where a neuron has nothing in any component.

    Raises:
        ValueError: sizes that do not match.

    Example:
        >>> halves = np.stack([np.diag([1.0, 1.0, 0.0]), np.diag([0.0, 0.0, 1.0])])
        >>> component_power(np.array([[3.0], [0.0], [1.0]]), halves).tolist()
        [[0.9, 0.1]]
    """
    columns = np.asarray(weights, dtype=np.float64)
    if columns.ndim != 2 or projections.shape[1:] != (len(columns),) * 2:
        raise ValueError(
            "component_power: needs weights (n, m) and projections (k, n, n), got shapes "
            f"{columns.shape} and {projections.shape}"
        )
    power = np.square(projections @ columns).sum(axis=1).T
    with np.errstate(invalid="ignore"):
        return power / power.sum(axis=1, keepdims=True)
