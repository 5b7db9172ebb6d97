"""Contrast-consistent search: a direction along which a statement and its negation get opposite
answers, without labels.

    p(x) = σ(θ·x̃ + b)
    loss = mean [p(x⁺) − (1 − p(x⁻))]² + mean min(p(x⁺), p(x⁻))²        consistent, and not at one half

Sides are normalised each by itself (`inscape.read.contrast_pairs`). The loss has many minima: every
start is kept, all are descended at once, and the least loss on the training pairs is taken. Its two
ends are not named: labels of training pairs may name them, else the sign stays as found and a score
against labels must be taken as max(a, 1 − a), which is at least one half whatever was found. A
direction of low loss need not be truth: any feature that differs within pairs will do.

Cost: n d for each start and step of L-BFGS.
Reference: Burns et al. (2022), arXiv:2212.03827, §2.2; Farquhar et al. (2023), arXiv:2312.10029,
for what else it finds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import expit

from inscape.read.contrast_pairs import Sides, ends_named


@dataclass(frozen=True)
class ContrastConsistent:
    """What the search found.

    Attributes:
        sides: how each side is normalised.
        coef: θ, (d,).
        intercept: b.
        loss: loss of every start on the training pairs, (starts,); the least was taken.
        named: whether labels named the ends.
    """

    sides: Sides
    coef: Float[np.ndarray, " d"]
    intercept: float
    loss: Float[np.ndarray, " starts"]
    named: bool

    def probability(
        self, positive: Float[np.ndarray, "n d"], negative: Float[np.ndarray, "n d"]
    ) -> Float[np.ndarray, " n"]:
        """``(p(x⁺) + 1 − p(x⁻)) / 2``: how probably a statement is so."""
        up, down = (
            expit(s @ self.coef + self.intercept) for s in self.sides.apply(positive, negative)
        )
        return (up + 1 - down) / 2

    def predict(
        self, positive: Float[np.ndarray, "n d"], negative: Float[np.ndarray, "n d"]
    ) -> Float[np.ndarray, " n"]:
        """1 where a statement is held to be so, else 0."""
        return (self.probability(positive, negative) > 0.5).astype(np.float64)


def ccs(
    positive: Float[np.ndarray, "n d"],
    negative: Float[np.ndarray, "n d"],
    y: np.ndarray | None = None,
    *,
    starts: int = 10,
    decay: float = 1e-2,
    max_iter: int = 200,
    rng: np.random.Generator,
) -> ContrastConsistent:
    """Search for a contrast-consistent direction.

    Args:
        positive: training rows of statements said to be so.
        negative: the same said not to be so.
        y: 1 where so, else 0: names the ends and does nothing else; None where there are no labels.
        starts: random directions to descend from.
        decay: weight of ‖θ‖²/2d in the loss; without any, θ grows without end.
        max_iter: L-BFGS iterations at most.
        rng: of the starts.

    Returns:
        The direction of least loss.

    Raises:
        ValueError: sides of different shape, labels other than 0 and 1, or no start.
    """
    if starts < 1:
        raise ValueError(f"ccs: starts must be at least 1, got {starts}")
    y = None if y is None else ends_named(y, len(positive), "ccs")
    sides = Sides.of(positive, negative)
    up, down = (torch.from_numpy(np.ascontiguousarray(s)) for s in sides.apply(positive, negative))
    d = up.shape[1]
    first = rng.normal(size=(starts, d)) / np.sqrt(d)
    theta = torch.from_numpy(first).requires_grad_()
    bias = torch.zeros(starts, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [theta, bias], max_iter=max_iter, tolerance_grad=1e-8, line_search_fn="strong_wolfe"
    )

    def each() -> torch.Tensor:
        yes, no = (torch.sigmoid(s @ theta.T + bias) for s in (up, down))
        return ((yes + no - 1) ** 2 + torch.minimum(yes, no) ** 2).mean(dim=0)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = (each() + decay * (theta**2).sum(dim=1) / (2 * d)).sum()
        loss.backward()
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        losses = each().numpy()
    best = int(losses.argmin())
    coef, intercept = theta[best].detach().numpy().copy(), float(bias[best].detach())
    found = ContrastConsistent(sides, coef, intercept, losses, y is not None)
    if y is not None and (found.predict(positive, negative) == y).mean() < 0.5:
        return ContrastConsistent(sides, -coef, -intercept, losses, True)
    return found
