"""Two objectives that align embeddings of paired inputs: canonical correlation and transport.

    L_CCA = −Σ ρ_i / d                 ρ: singular values of Σ_x^(−1/2) Σ_xy Σ_y^(−1/2), with r I added to Σ_x and Σ_y
    L_WD = W(X, Y) − [W(X, X) + W(Y, Y)] / 2        W: entropic transport between the batches as clouds of points

The first asks that paired rows vary together, whatever linear map lies between; the second that
the clouds lie on each other, whatever the pairs. Costs of transport are squared distances, and the
entropy is measured in their mean, so that the plan does not depend on the scale; the two last terms
make W of a cloud with itself 0.

Cost: n d² + d³; iterations · n².
Reference: Andrew et al. (2013), Deep canonical correlation analysis, ICML; Cuturi (2013), Sinkhorn
distances, arXiv:1306.0895; Feydy et al. (2019), arXiv:1810.08278 (the two last terms).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def correlation_loss(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m e"], ridge: float = 1e-2
) -> Float[Tensor, ""]:
    """Negative mean canonical correlation of two batches, between −1 and 0.

    Args:
        x: embeddings.
        y: embeddings of the same inputs by another network.
        ridge: r, as a share of the mean variance of each side.

    Raises:
        ValueError: other inputs, or a side that does not vary.
    """
    if len(x) != len(y) or len(x) < 2:
        raise ValueError(
            f"correlation_loss: needs the same inputs, at least 2; got {len(x)} and {len(y)}"
        )
    roots = []
    for side in (x - x.mean(0), y - y.mean(0)):
        covariance = side.T @ side / (len(side) - 1)
        size = covariance.diagonal().mean()
        if not bool(size > 0):
            raise ValueError("correlation_loss: one side does not vary")
        eye = torch.eye(side.shape[1], dtype=side.dtype)
        # a triangular root serves as well as a symmetric one: singular values ignore the rotation
        chol = torch.linalg.cholesky(covariance + ridge * size * eye)
        roots.append(torch.linalg.solve_triangular(chol, side.T, upper=False))
    cross = roots[0] @ roots[1].T / (len(x) - 1)
    return -torch.linalg.svdvals(cross).mean()


def transport_loss(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m e"], entropy: float = 0.05, iterations: int = 30
) -> Float[Tensor, ""]:
    """Sinkhorn divergence of two clouds of points.

    Args:
        x: embeddings.
        y: embeddings of any inputs, of the same width.
        entropy: in mean squared distances between the clouds.
        iterations: of the scaling.

    Raises:
        ValueError: other widths.
    """
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"transport_loss: widths {x.shape[1]} and {y.shape[1]}; give the same width"
        )
    epsilon = entropy * _costs(x, y).mean().detach().clamp_min(1e-12)
    return (
        _transport(x, y, epsilon, iterations)
        - (_transport(x, x, epsilon, iterations) + _transport(y, y, epsilon, iterations)) / 2
    )


def _costs(x: Tensor, y: Tensor) -> Tensor:
    return (x[:, None] - y).pow(2).sum(-1)


def _transport(x: Tensor, y: Tensor, epsilon: Tensor, iterations: int) -> Tensor:
    """The dual value of entropic transport, by Sinkhorn's iterations on logarithms."""
    costs = _costs(x, y)
    n, m = costs.shape
    f, g = x.new_zeros(n), y.new_zeros(m)
    for _ in range(iterations):
        g = -epsilon * (torch.logsumexp((f[:, None] - costs) / epsilon, 0) - math.log(n))
        f = -epsilon * (torch.logsumexp((g - costs) / epsilon, 1) - math.log(m))
    return f.mean() + g.mean()
