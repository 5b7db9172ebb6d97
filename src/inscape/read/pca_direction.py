"""PCA direction: the line along which rows vary most.

    d = argmax_{‖d‖=1} Σ_i (d·(x_i − x̄))²        the first right singular vector of the centred rows

Labels only name its ends. Where something else varies more than the concept (the template of a
sentence), centre the rows within it first, or this finds that instead. Cost n d min(n, d).

Reference: Tigges et al. (2023), arXiv:2310.15154, §2.3; Zou et al. (2023), arXiv:2310.01405, §3.1
(reading vectors).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import linalg

from inscape.read.named_ends import NamedEnds


class PCADirection(NamedEnds):
    """First principal component, as a direction and a classifier; see `NamedEnds` for what it
    learns.

    Example:
        >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]])
        >>> PCADirection().fit(x, [0, 0, 1, 1]).direction_.tolist()
        [1.0, 0.0]
    """

    def _line(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
        rows = x - x.mean(axis=0)
        if not rows.any():
            return np.zeros(x.shape[1])
        gram = rows @ rows.T if len(rows) < x.shape[1] else rows.T @ rows
        _, top = linalg.eigh(gram, subset_by_index=[len(gram) - 1, len(gram) - 1])
        return rows.T @ top[:, 0] if len(rows) < x.shape[1] else top[:, 0]
