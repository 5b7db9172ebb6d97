"""Class-embedding lens: any token of a classifier, at any block, read by the class matrix; and what
its score hangs on.

    scores(h) = E · norm(h)          identifiability = 1 − rank(true class) / (classes − 1)

Rank 0 is the highest score, so 1 says that the class comes first, ½ is chance and 0 says that it
comes last (the paper divides by the number of classes, which is the same but for few of them); ties
get the middle of their ranks.

What attention puts into token q is linear in its weights, so the gradient of a score that is read
right after it is closed:

    out_q = Σ_h Σ_t A_h(q, t) W_O^h v_h(t)        ∂score_q / ∂A_h(q, t) = g_q · W_O^h v_h(t),    g_q = ∂score / ∂h_q

with no backward pass through the network; the gradient of the readout alone is taken.

Cost: tokens × width × classes for the lens; queries × tokens × width for a gradient.
Reference: Vilas, Schaumlöffel and Roig (2023), arXiv:2310.18969.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.arrays import to_numpy
from inscape.model.unembed import Readout


def identifiability(scores: Any, classes: Any) -> Float[np.ndarray, "*n"]:
    """How far up the ranking a class is, for every token.

    Args:
        scores: (…, k), k ≥ 2.
        classes: the class asked about, broadcast to (…).

    Returns:
        (…), between 0 and 1.

    Raises:
        ValueError: fewer than two classes, a class that has no score, or a score that is NaN.

    Example:
        >>> identifiability(np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 3.0]]), np.array([0, 0])).tolist()
        [1.0, 0.0]
    """
    values = np.asarray(to_numpy(scores), dtype=np.float64)
    if values.ndim < 1 or values.shape[-1] < 2:
        raise ValueError(
            "identifiability: scores must be (…, classes) with two or more, got shape "
            f"{values.shape}"
        )
    wanted = np.broadcast_to(np.asarray(to_numpy(classes)), values.shape[:-1])
    if wanted.dtype.kind not in "iu" or not ((wanted >= 0) & (wanted < values.shape[-1])).all():
        raise ValueError(
            f"identifiability: classes must be whole numbers from 0 to {values.shape[-1] - 1}"
        )
    if np.isnan(values).any():
        raise ValueError("identifiability: scores hold NaN, which has no rank; leave those out")
    own = np.take_along_axis(values, wanted[..., None], axis=-1)
    above, same = (values > own).sum(-1), (values == own).sum(-1) - 1
    return 1 - (above + same / 2) / (values.shape[-1] - 1)


def score_gradient(
    readout: Readout, h: Float[Tensor, "n d"], classes: Int[Tensor, " n"]
) -> Float[Tensor, "n d"]:
    """∂ score of a class / ∂ state, through the last norm, for each state."""
    with torch.enable_grad():
        x = h.detach().float().requires_grad_(True)
        total = readout.scores_at(readout.normed(x), classes).sum()
        return torch.autograd.grad(total, x)[0]


def attention_gradient(
    gradient: Float[Tensor, "n d"],
    values: Float[Tensor, "n tokens inner"],
    output: Float[Tensor, "d inner"],
    heads: int,
) -> Float[Tensor, "n heads tokens"]:
    """∂ score / ∂ attention weight from one query to every token.

    Args:
        gradient: of the score with respect to the state at the query, one for each example.
        values: v of every token, heads concatenated (one value head for each attention head).
        output: weight of the attention's output projection.
        heads: how many.

    Returns:
        For each example, head and token.

    Raises:
        ValueError: the inner width is not a multiple of the heads.
    """
    n, tokens, inner = values.shape
    if inner % heads:
        raise ValueError(
            f"attention_gradient: {inner} values cannot be {heads} heads; give the model's number "
            "of heads"
        )
    back = gradient @ output.to(gradient)  # n × inner: what the score wants of each head's result
    width = inner // heads
    return torch.einsum(
        "nhw,nthw->nht",
        back.view(n, heads, width),
        values.to(gradient).view(n, tokens, heads, width),
    )


def projected(readout: Readout, vectors: Float[Tensor, "*m d"]) -> Float[Tensor, "*m k"]:
    """Directions (updates, or rows that a layer writes) on the class matrix, without norm or bias:
    what they add.
    """
    return vectors.to(readout.weight) @ readout.weight.T
