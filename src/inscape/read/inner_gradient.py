"""Inner gradient: what a state would have to do to make one token more likely, in the network's own
reading of it.

    L(h) = −log softmax(W norm(h) + b)_t        −∇_h L = Jᵀ (W_t − Σ_v p_v W_v),    J = ∂ norm / ∂h

If a layer's update is a step of an optimisation of L, it points along −∇L: `alignment` is the
cosine of the two. The sum over the vocabulary is gathered range by range, and is the same for every
token t asked about at a state.

Cost: two products with the unembedding for each state, whatever the number of tokens asked about.
Reference: Wu and Varshney (2023), A meta-learning perspective on Transformers for causal language
modeling, arXiv:2310.05884.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.model.unembed import Readout


class InnerGradient(NamedTuple):
    """Loss and descent direction of states.

    Attributes:
        loss: −log p of each token, in nats, (tokens, n).
        descent: −∇L with respect to the states, (tokens, n, d).
    """

    loss: Float[Tensor, "t n"]
    descent: Float[Tensor, "t n d"]


def inner_gradient(
    readout: Readout, h: Float[Tensor, "n d"], tokens: Int[Tensor, "t m"], *, budget: int = 1 << 23
) -> InnerGradient:
    """Loss and its negative gradient at states, for one or several tokens each.

    Args:
        readout: the network's last norm and unembedding.
        h: states.
        tokens: entries whose loss is asked, a row for each question.
        budget: scores held at a time.

    Returns:
        Losses and descent directions, float32 at least.

    Raises:
        ValueError: there is not one token for each state.

    Example:
        >>> readout = Readout(torch.eye(2))
        >>> inner_gradient(readout, torch.zeros(1, 2), torch.tensor([[0]])).descent.tolist()
        [[[0.5, -0.5]]]
    """
    if tokens.shape[1] != len(h):
        raise ValueError(
            f"inner_gradient: tokens must be (questions, {len(h)}), got {tuple(tokens.shape)}"
        )
    wide = min(readout.entries, 4096)
    rows = max(1, budget // wide)
    parts = [
        _of(readout, h[i : i + rows], tokens[:, i : i + rows], wide) for i in range(0, len(h), rows)
    ]
    return InnerGradient(
        torch.cat([p[0] for p in parts], dim=1), torch.cat([p[1] for p in parts], dim=1)
    )


def inner_loss(
    readout: Readout, h: Float[Tensor, "n d"], tokens: Int[Tensor, " n"], *, rows: int = 256
) -> Float[Tensor, " n"]:
    """The loss alone, −log p of one token for each state, in nats: half the cost of
    `inner_gradient`.

    Args:
        readout: the network's last norm and unembedding.
        h: states.
        tokens: entries whose loss is asked.
        rows: states whose scores are held at a time.

    Example:
        >>> round(inner_loss(Readout(torch.eye(2)), torch.zeros(1, 2), torch.tensor([0])).item(), 3)
        0.693
    """
    with torch.no_grad():
        parts = [
            torch.nn.functional.cross_entropy(
                readout(h[i : i + rows]).float(), tokens[i : i + rows], reduction="none"
            )
            for i in range(0, len(h), rows)
        ]
    return torch.cat(parts)


def _of(readout: Readout, h: Tensor, tokens: Tensor, wide: int) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        state = (
            h.detach()
            .to(h.dtype if h.dtype == torch.float64 else torch.float32)
            .requires_grad_(True)
        )
        normed = readout.normed(state)
    x, weight = normed.detach(), readout.weight
    top = torch.full_like(x[:, 0], -torch.inf)
    mass, mean = torch.zeros_like(top), torch.zeros_like(x)
    for start, stop in readout.ranges(wide):
        scores = readout.scores(x, start, stop)
        new = torch.maximum(top, scores.amax(-1))
        p = torch.exp((scores - new[:, None]).clamp_min(-80))
        shrink = torch.exp(top - new)
        mass = mass * shrink + p.sum(-1)
        mean = mean * shrink[:, None] + (p * _slope(readout, scores)) @ weight[start:stop].to(
            x.dtype
        )
        top = new
    asked = torch.stack([readout.scores_at(x, t) for t in tokens])
    loss = top + mass.log() - asked
    pull = _slope(readout, asked)[..., None] * weight[tokens].to(x.dtype) - mean / mass[:, None]
    grads = [torch.autograd.grad(normed, state, g, retain_graph=True)[0] for g in pull]
    return loss, torch.stack(grads)


def _slope(readout: Readout, scores: Tensor) -> Tensor:
    """∂ score / ∂ what it was before the cap."""
    return torch.ones_like(scores) if readout.cap is None else 1 - (scores / readout.cap) ** 2


def alignment(update: Float[Tensor, "*n d"], descent: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
    """Cosine between updates and descent directions; 0 where either is nothing."""
    return torch.nn.functional.cosine_similarity(
        update.double(), descent.double(), dim=-1, eps=1e-12
    )
