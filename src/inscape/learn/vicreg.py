"""Agreement without negatives: variance, invariance and covariance of two views.

    L = λ mean ‖a − b‖² + μ [v(a) + v(b)] / 2 + ν [c(a) + c(b)]
    v(z) = mean_j max(0, 1 − √(Var z_j + 1e-4))          c(z) = Σ_{j ≠ k} Cov(z)²_jk / d

Invariance draws the views of one input together; variance keeps every dimension at a standard
deviation of 1, so that nothing collapses; covariance keeps dimensions from repeating each other.

Cost: O(n d²).
Reference: Bardes, Ponce and LeCun (2022), VICReg, arXiv:2105.04906, eq. 1 to 6.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def vicreg(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "m d"],
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> Float[Tensor, ""]:
    """Loss of two views; the defaults are the published weights.

    Args:
        a: embeddings of one view (n, d), at least two rows.
        b: of the other, row by row of the same inputs.
        invariance: λ.
        variance: μ.
        covariance: ν.

    Raises:
        ValueError: views of other shapes, or fewer than two rows.
    """
    if a.shape != b.shape or len(a) < 2:
        raise ValueError(
            f"vicreg: give two views of the same inputs, at least two, got {tuple(a.shape)} and "
            f"{tuple(b.shape)}"
        )
    spread = (_below_one(a) + _below_one(b)) / 2
    repeated = _off_diagonal(a) + _off_diagonal(b)
    return invariance * F.mse_loss(a, b) + variance * spread + covariance * repeated


def _below_one(z: Tensor) -> Tensor:
    return F.relu(1 - (z.var(dim=0) + 1e-4).sqrt()).mean()


def _off_diagonal(z: Tensor) -> Tensor:
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / (len(z) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]
