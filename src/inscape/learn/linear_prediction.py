"""Train linear networks to predict one view from another: in latent space, or in the data.

    loss = ½ E‖V W x − T y‖² = ½ tr(P Σxx Pᵀ) − tr(P Σxy Tᵀ) + ½ tr(T Σyy Tᵀ)          P = V W

T is what the target is made by: the encoder itself without a gradient (JEPA with stop-gradient),
with one (which collapses), a slow copy of it, or the identity (a masked autoencoder, MAE). A linear
network sees pairs (x, y) through their second moments alone, so that a step on a million pairs
costs as much as one on ten.

Cost: a few products of d × d matrices a step.
Reference: Littwin et al. (2024), arXiv:2407.03475, section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn


class PairMoments(NamedTuple):
    """Second moments of pairs (x, y), one set for each network: Σxx, Σxy = E[x yᵀ] and Σyy."""

    xx: Float64[Tensor, "networks d d"]
    xy: Float64[Tensor, "networks d d"]
    yy: Float64[Tensor, "networks d d"]

    @classmethod
    def of(cls, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n d"]) -> PairMoments:
        """Those of one set of pairs, for one network."""
        made = (torch.from_numpy(a.T @ b / len(x))[None] for a, b in ((x, x), (x, y), (y, y)))
        return cls(*made)

    @classmethod
    def side_by_side(cls, each: Iterable[PairMoments]) -> PairMoments:
        """Those of several networks in one."""
        return cls(*(torch.cat(own) for own in zip(*each, strict=True)))


def prediction_loss(
    predicted: Float64[Tensor, "networks d d"],
    target: Float64[Tensor, "networks d d"],
    moments: PairMoments,
) -> Float64[Tensor, ""]:
    """½ E‖P x − T y‖², added over the networks.

    Args:
        predicted: P, what makes the prediction of x.
        target: T, what makes the target of y; detach it for a stop-gradient.
        moments: of the pairs.

    Example:
        >>> x, y = np.ones((5, 1)), 3 * np.ones((5, 1))
        >>> one = torch.ones(1, 1, 1, dtype=torch.float64)
        >>> prediction_loss(one, one, PairMoments.of(x, y)).item()
        2.0
    """
    own = ((predicted @ moments.xx) * predicted).sum() + ((target @ moments.yy) * target).sum()
    return own / 2 - ((predicted @ moments.xy) * target).sum()


def descend(
    net: nn.Module,
    loss: Callable[[], Tensor],
    read: Callable[[], Tensor],
    *,
    rate: float,
    until: float,
    points: int = 400,
) -> tuple[Float64[np.ndarray, " times"], Float64[np.ndarray, "times ..."]]:
    """Gradient descent in small steps, as a flow in time: a step of rate r takes r units of time.

    Args:
        net: is trained in place.
        loss: of the network as it stands.
        read: what is recorded.
        rate: of learning, small beside the inverse of the largest curvature.
        until: the time at which to end.
        points: about how many times are recorded, the first and the last among them.

    Raises:
        ValueError: a rate or a time that is not above 0, or a loss that is not finite.

    Example:
        >>> net = nn.Linear(1, 1, bias=False)
        >>> loss = lambda: net.weight.square().sum() / 2
        >>> times, w = descend(net, loss, lambda: net.weight[0, 0].double(), rate=0.001, until=1.0)
        >>> round(float(w[-1] / w[0]), 3), round(float(times[-1]), 6)
        (0.368, 1.0)
    """
    if not (rate > 0 and until > 0):
        raise ValueError(
            f"descend: rate and until must be above 0, got rate {rate} and until {until}"
        )
    trained = [p for p in net.parameters() if p.requires_grad]
    steps = max(round(until / rate), 1)
    every = max(steps // points, 1)
    times, found = [], []
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            times.append(step * rate)
            found.append(read().detach().numpy().copy())
        if step == steps:
            break
        gradients = torch.autograd.grad(loss(), trained)
        with torch.no_grad():
            torch._foreach_add_(trained, gradients, alpha=-rate)
    if not np.isfinite(found[-1]).all():
        raise ValueError(f"descend: the network is not finite after {steps} steps; lower the rate")
    return np.array(times), np.stack(found)
