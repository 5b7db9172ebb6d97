"""Linear CKA in its usual, biased form, for comparison with published numbers only.

    CKA = ‖YᵀX‖²_F / (‖XᵀX‖_F ‖YᵀY‖_F)        of centred X (n, d) and Y (n, e)

Its null is not zero: two independent isotropic representations of one width give about d/(n + d),
so 0.5 at n = d and 0.91 at d = 10 n. Whether two networks agree cannot be read from it unless n is
many times the width; `linear_cka` can be read.

Cost: n d e from the features, or n² (d + e) from the kernels, whichever is less.
Reference: Kornblith et al. (2019), arXiv:1905.00414, eq. 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inscape.compare.measure_card import MeasureCard, measures_as
from inscape.compare.paired_rows import paired_rows
from inscape.core.item_rows import centred_rows


@measures_as(
    MeasureCard("biased linear CKA", 0.0, 1.0, frozenset({"neurons", "rotation", "scale", "shift"}))
)
def cka_biased(x: Any, y: Any) -> float:
    """Biased linear CKA, between 0 and 1.

    Args:
        x: (n, d).
        y: (n, e).

    Raises:
        ValueError: fewer than 2 items, other items, or a side on which all items are equal.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> round(cka_biased(x, 2 * x[:, ::-1] + 7), 12)
        1.0
    """
    a, b = paired_rows(x, y, "cka_biased", least=2)
    a, b = centred_rows(a), centred_rows(b)
    if a.shape[1] + b.shape[1] > len(a):
        k, other = a @ a.T, b @ b.T
        cross = float(np.vdot(k, other))
    else:
        k, other = a.T @ a, b.T @ b
        cross = float(np.sum((a.T @ b) ** 2))
    below = float(np.linalg.norm(k) * np.linalg.norm(other))
    if not below > 0:
        raise ValueError(
            "cka_biased: all items of one side are equal, so CKA is undefined; leave that site out"
        )
    return cross / below
