"""Anisotropy: do all vectors point into one cone?

    mean cosine of two different rows = (‖Σ u_i‖² − n) / (n (n − 1)),    u: rows of unit length

Exact over all pairs, at the cost of one sum. 0 for directions that are spread evenly, 1 for one
direction. In language models a few neurons or the mean alone may make it large: give it beside that
of the centred rows.

Cost: n d.
Reference: Ethayarajh (2019), How contextual are contextualized word representations?,
arXiv:1909.00512; Timkey and van Schijndel (2021), arXiv:2109.04404 (single neurons).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from inscape.core.item_rows import centred_rows, checked_rows, unit_rows


class Anisotropy(NamedTuple):
    """How far rows point one way.

    Attributes:
        cosine: mean cosine of two different rows.
        centred: the same about the mean row.
        largest: share of `cosine` that its largest neuron alone adds; 0 where the cosine is not
            positive.
    """

    cosine: float
    centred: float
    largest: float


def anisotropy(x: Any) -> Anisotropy:
    """Mean cosine between rows, as they are and about their mean.

    Args:
        x: (n, d), at least 2 rows.

    Raises:
        ValueError: a row of zeros, whose direction is not defined.

    Example:
        >>> anisotropy(np.array([[1.0, 0.0], [0.0, 1.0]])).cosine
        0.0
    """
    rows = checked_rows(x, "anisotropy: x", least=2)
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (size > 0).all():
        raise ValueError(
            f"anisotropy: {int((size == 0).sum())} rows are zero and have no direction; leave them "
            "out"
        )
    parts = _by_neuron(rows / size)
    unit = unit_rows(centred_rows(rows))
    cosine = float(parts.sum())
    largest = float(parts.max()) / cosine if cosine > 0 else 0.0
    return Anisotropy(cosine, float(_by_neuron(unit).sum()), largest)


def _by_neuron(unit: np.ndarray) -> np.ndarray:
    """What each neuron adds to the mean cosine of two different rows, (d,)."""
    n = len(unit)
    return (unit.sum(axis=0) ** 2 - (unit**2).sum(axis=0)) / (n * (n - 1))
