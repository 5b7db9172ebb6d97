"""SVCCA and PWCCA: one number from canonical correlations, of the fitted rows as they were
published.

    SVCCA = mean ρ after each side is cut to the principal components that hold 99 % of its variance
    PWCCA = Σ α_i ρ_i / Σ α_i,     α_i = Σ_j |⟨h_i, x_j⟩|       h_i: canonical variables of x, x_j: its neurons

Both grow with d/n from nothing (mean ρ² = d/(n − 1) for unrelated sides), and PWCCA is not
symmetric. Quote `CanonicalCorrelation.score` on held-out rows beside them; a rank that leaves
nothing to fit is refused.

Cost: as `inscape.compare.canonical`.
Reference: Raghu et al. (2017), SVCCA, arXiv:1706.05806; Morcos, Raghu and Bengio (2018),
arXiv:1806.05759 (PWCCA).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inscape.compare.canonical import CanonicalCorrelation
from inscape.compare.measure_card import MeasureCard, measures_as
from inscape.compare.paired_rows import paired_rows


@measures_as(MeasureCard("SVCCA", 0.0, 1.0, frozenset({"neurons", "rotation", "scale", "shift"})))
def svcca(x: Any, y: Any, *, variance: float = 0.99, rank: int | None = None) -> float:
    """Mean canonical correlation of the leading principal components.

    Args:
        x: (n, d).
        y: (n, e).
        variance: share of each side's variance that is kept.
        rank: at most so many components.

    Raises:
        ValueError: as `CanonicalCorrelation.fit`.
    """
    return float(CanonicalCorrelation(rank, variance=variance).fit(x, y).correlations_.mean())


@measures_as(
    MeasureCard("PWCCA", 0.0, 1.0, frozenset({"neurons", "scale", "shift"}), symmetric=False)
)
def pwcca(x: Any, y: Any, *, variance: float = 1.0, rank: int | None = None) -> float:
    """Canonical correlations weighted by how much of `x` each accounts for.

    Args:
        x: (n, d), the side whose neurons weigh.
        y: (n, e).
        variance: share of each side's variance that is kept.
        rank: at most so many components.

    Raises:
        ValueError: as `CanonicalCorrelation.fit`.
    """
    a, b = paired_rows(x, y, "pwcca", least=3)
    found = CanonicalCorrelation(rank, variance=variance).fit(a, b)
    weight = np.abs(found.transform(a).T @ (a - a.mean(axis=0))).sum(axis=1)
    return float(weight @ found.correlations_ / weight.sum())
