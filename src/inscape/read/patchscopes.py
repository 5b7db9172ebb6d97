"""Patchscopes: a state put into another prompt at a placeholder, and the network asked what it
takes it for.

    x = h_ℓ(source prompt, position i)    →    f(x) in place of h_ℓ*(target prompt, position i*)    →    next-token logits

The network that does this is a callable: it takes states, puts each into its own copy of the target
prompt, and gives the logits after it. f is the identity or a learned map between layers. With the
target "cat → cat; 135 → 135; x →" and the placeholder at x, the answer names what the state stands
for; a prompt that repeats a word reads out words.

Cost: one pass of the target prompt for each state.
Reference: Ghandeharioun et al. (2024), Patchscopes, arXiv:2401.06102, eq. 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from inscape.core.arrays import to_numpy

#: from states (b, d) to the logits after the target prompt with each of them in it, (b, vocabulary)
Patched = Callable[[Tensor], Tensor]


class Answer(NamedTuple):
    """What the network took the states for.

    Attributes:
        tokens: most likely continuations, most likely first, (n, k).
        log_probs: theirs, in nats, (n, k).
        rank: of the target, 0 for the most likely; −1 where no targets were given.
        surprisal: of the target, in nats; NaN where no targets were given.
    """

    tokens: np.ndarray
    log_probs: np.ndarray
    rank: np.ndarray
    surprisal: np.ndarray


def patchscope(
    patched: Patched,
    x: Any,
    targets: Any = None,
    *,
    mapping: Callable[[Tensor], Tensor] | None = None,
    k: int = 5,
    batch: int = 32,
) -> Answer:
    """Ask a network what states stand for.

    Args:
        patched: runs the target prompt with states in place of its placeholder.
        x: states, (n, d).
        targets: a token for each state whose rank is asked, (n,).
        mapping: applied to the states first.
        k: continuations kept.
        batch: states a pass.

    Returns:
        The answers.

    Raises:
        ValueError: x is not (n, d), or there is not one target for each row.
    """
    states = torch.as_tensor(to_numpy(x))
    if states.ndim != 2 or len(states) == 0:
        raise ValueError(
            f"patchscope: x must be (n, d) with a row or more, got shape {tuple(states.shape)}"
        )
    wanted = (
        None
        if targets is None
        else torch.as_tensor(np.asarray(to_numpy(targets)), dtype=torch.long)
    )
    if wanted is not None and wanted.shape != (len(states),):
        raise ValueError(
            f"patchscope: targets must be one for each of {len(states)} states, got "
            f"{tuple(wanted.shape)}"
        )
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, len(states), batch):
        few = states[start : start + batch]
        with torch.no_grad():
            logits = patched(few if mapping is None else mapping(few)).detach().float().cpu()
        log_p = torch.log_softmax(logits, dim=-1)
        top = log_p.topk(min(k, log_p.shape[-1]), dim=-1)
        rank, surprisal = torch.full((len(few),), -1), torch.full((len(few),), torch.nan)
        if wanted is not None:
            own = log_p.gather(1, wanted[start : start + batch, None])
            rank, surprisal = (log_p > own).sum(1), -own[:, 0]
        parts.append((top.indices, top.values, rank, surprisal))
    return Answer(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))
