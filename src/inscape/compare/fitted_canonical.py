"""Measures of the fitted rows that any invertible linear map leaves alone, without a guard: for
comparison with published numbers only.

    X = U S Vᵀ (centred),   M = U_xᵀ U_y,   ρ = singular values of M,   r: the lesser rank
    mean CCA = Σ ρ / r      R² of CCA = ‖M‖²_F / r      regression of X on Y: R² = ‖Mᵀ S Vᵀ‖²_F / ‖S‖²_F
    PWCCA = Σ α_i ρ_i / Σ α_i,   α_i = Σ_j |⟨h_i, x_j⟩|     h_i: canonical variables of X, x_j: its neurons

Where either side has as many neurons as items or more, its span holds everything, and each of these
is 1 whatever the sides are. `inscape.compare.CanonicalCorrelation` refuses that, and scores
held-out rows; nothing can be concluded from the numbers here alone.

Cost: n² d a side and n² min(n, d) a pair; PWCCA n² d more.
Reference: Kornblith et al. (2019), arXiv:1905.00414, §3 and table 1; Raghu et al. (2017),
arXiv:1706.05806 (SVCCA: the sides cut to 99 % of their variance); Morcos, Raghu and Bengio (2018),
arXiv:1806.05759 (PWCCA).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from inscape.core.item_rows import centred_rows, checked_rows

#: correlations nearer to 1 than this are 1
_ONE = 1e-9


@dataclass(frozen=True, eq=False)
class Span:
    """A centred representation by its singular vectors.

    Attributes:
        basis: U, (n, r).
        sizes: singular values, (r,).
        neurons: Vᵀ, (r, d).
    """

    basis: Float64[np.ndarray, "n r"]
    sizes: Float64[np.ndarray, " r"]
    neurons: Float64[np.ndarray, "r d"]

    @classmethod
    def of(cls, x: Any, *, variance: float = 1.0) -> Span:
        """The span of a representation.

        Args:
            x: (n, d).
            variance: keep the leading components that hold this share of the variance.

        Raises:
            ValueError: a side that does not vary, or a share outside (0, 1].
        """
        if not 0 < variance <= 1:
            raise ValueError(f"Span: variance must be in (0, 1], got {variance}")
        rows = centred_rows(checked_rows(x, "Span: x", least=3))
        u, s, vt = np.linalg.svd(rows, full_matrices=False)
        keep = int((s > max(rows.shape) * np.finfo(np.float64).eps * s[0]).sum())
        if not keep:
            raise ValueError("Span: the representation does not vary; leave that site out")
        share = np.cumsum(s**2) / np.sum(s**2)
        r = min(keep, int(np.searchsorted(share, variance - 1e-12)) + 1)
        return cls(u[:, :r], s[:r], vt[:r])


class Fitted(NamedTuple):
    """Similarities of a representation X to another, Y, of the rows that were fitted.

    Attributes:
        cca: mean canonical correlation.
        r2_cca: mean squared canonical correlation.
        pwcca: canonical correlations weighted by how much of X each accounts for.
        regression: share of X's variance that a linear map from Y fits.
    """

    cca: float
    r2_cca: float
    pwcca: float
    regression: float


def fitted_similarities(x: Span, y: Span) -> Fitted:
    """All four measures of one pair.

    Args:
        x: the side that is accounted for.
        y: the other, of the same items.

    Raises:
        ValueError: other items.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> noise = (Span.of(rng.normal(size=(20, 30))) for _ in range(2))
        >>> [round(v, 9) for v in fitted_similarities(*noise)]
        [1.0, 1.0, 1.0, 1.0]
    """
    if len(x.basis) != len(y.basis):
        raise ValueError(
            f"fitted_similarities: {len(x.basis)} items and {len(y.basis)}; give the same items"
        )
    if min(len(x.sizes), len(y.sizes)) >= len(x.basis) - 1:
        return Fitted(1.0, 1.0, 1.0, 1.0)  # both span all that is centred
    inner = x.basis.T @ y.basis
    u, rho, _ = np.linalg.svd(inner, full_matrices=False)
    rho = np.minimum(rho, 1.0)
    explained = float(x.sizes**2 @ (inner**2).sum(axis=1) / (x.sizes @ x.sizes))
    weighted = 1.0
    if rho.min() < 1 - _ONE:  # else any weights give 1
        weight = np.abs((u.T * x.sizes) @ x.neurons).sum(axis=1)
        weighted = float(weight @ rho / weight.sum())
    return Fitted(float(rho.mean()), float((rho**2).mean()), weighted, explained)
