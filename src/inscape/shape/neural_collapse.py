"""Neural collapse: do classes shrink to points whose means form a simplex, with the classifier
aligned to them?

    NC1 = tr(Σ_w Σ_b⁺) / K               variation within classes against that between means
    NC2 = sd(‖m_k‖) / mean(‖m_k‖),  and mean |cos(m_j, m_k) + 1/(K − 1)|         m: class means about their mean
    NC3 = ‖W/‖W‖ − M/‖M‖‖_F              the classifier's rows against the means
    NC4 = share of items whose nearest class mean is not the classifier's choice

All are 0 at full collapse. NC3 and NC4 need the classifier.

Cost: n d² and d³ at most.
Reference: Papyan, Han and Donoho (2020), PNAS 117, arXiv:2008.08186; K = number of classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from inscape.core.folds import group_codes
from inscape.core.item_rows import checked_rows


class NeuralCollapse(NamedTuple):
    """The four measurements.

    Attributes:
        nc1: variation within classes.
        nc2_norms: how unequal the means' lengths are.
        nc2_angles: how far their angles are from a simplex's.
        nc3: how far the classifier's rows are from the means; None without a classifier.
        nc4: how often the nearest mean and the classifier part; None without a classifier.
    """

    nc1: float
    nc2_norms: float
    nc2_angles: float
    nc3: float | None
    nc4: float | None


def neural_collapse(x: Any, labels: Any, weight: Any = None, bias: Any = None) -> NeuralCollapse:
    """Neural collapse of features of labelled items.

    Args:
        x: (n, d).
        labels: class of each item, any values; classes are taken in sorted order.
        weight: the classifier's, (K, d), rows in the sorted order of classes.
        bias: the classifier's, (K,); None for none.

    Raises:
        ValueError: fewer than two classes, class means that coincide, or a classifier of another
            shape.
    """
    rows = checked_rows(x, "neural_collapse: x", least=4)
    group_codes(labels, len(rows))  # refuses missing labels
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    k = len(names)
    if k < 2:
        raise ValueError("neural_collapse: there is one class; give at least two")
    means = np.stack([rows[codes == c].mean(axis=0) for c in range(k)])
    within = rows - means[codes]
    m = means - means.mean(axis=0)
    if not np.abs(m).max() > 0:
        raise ValueError(
            "neural_collapse: the class means coincide, so there is nothing to compare"
        )
    u, s, _ = np.linalg.svd(m.T, full_matrices=False)
    keep = s > s[0] * max(m.shape) * np.finfo(np.float64).eps
    # tr(Σ_w Σ_b⁺) in the means' own directions, Σ_b = M Mᵀ / K
    scaled = (within @ u[:, keep]) / s[keep]
    nc1 = float((scaled**2).sum()) / len(rows)
    size = np.linalg.norm(m, axis=1)
    angles = (m @ m.T / np.outer(size, size))[np.triu_indices(k, 1)]
    three = four = None
    if weight is not None:
        w = checked_rows(weight, "neural_collapse: weight")
        if w.shape != m.shape:
            raise ValueError(
                f"neural_collapse: weight has shape {w.shape}, and {k} classes of {m.shape[1]} "
                f"features need {m.shape}"
            )
        three = float(np.linalg.norm(w / np.linalg.norm(w) - m / np.linalg.norm(m)))
        chosen = (
            rows @ w.T + (0.0 if bias is None else np.asarray(bias, dtype=np.float64))
        ).argmax(axis=1)
        nearest = (rows @ means.T - (means**2).sum(axis=1) / 2).argmax(axis=1)
        four = float(np.mean(chosen != nearest))
    return NeuralCollapse(
        nc1,
        float(size.std() / size.mean()),
        float(np.abs(angles + 1 / (k - 1)).mean()),
        three,
        four,
    )
