"""How a text's last state depends on the state of one earlier token, to first order and at several
layers at once.

    J_ℓ = ∂o/∂s_ℓ,   o the state at the last token of the prompt, s_ℓ the subject token's state at layer ℓ

Tokens before the subject are constants of this derivative and are computed once, as a key–value
cache. The rows of J are made in batches of backward passes over the tokens from the subject on, and
each pass gives every layer's J: the derivative that reaches a deep layer goes on to the shallow
ones. Cost: d backward passes over those few tokens and the blocks from the shallowest site up, for
all sites.

Reference: Hernandez et al. (2023), Linearity of relation decoding in transformer language models,
arXiv:2308.09124, §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from inscape.core.batch import Tokens
from inscape.core.edit import Add, Scope
from inscape.core.site import Site
from inscape.model.connected import connected, prefix_cache
from inscape.model.model import Model
from inscape.read.jacobian import jacobian


@dataclass(frozen=True, eq=False)
class SubjectJacobian:
    """One prompt, linearised in its subject's state.

    Attributes:
        sites: where the subject's state was taken.
        states: the subject's state there, (sites, d).
        output: the state at the last token, (k,).
        jacobians: of the output with respect to each state, (sites, k, d).
    """

    sites: tuple[Site, ...]
    states: Float[Tensor, "sites d"]
    output: Float[Tensor, " k"]
    jacobians: Float[Tensor, "sites k d"]


def subject_jacobian(
    model: Model,
    tokens: Tokens,
    position: int,
    sites: str | Sequence[str | Site],
    output: str | Site,
    *,
    chunk: int = 288,
) -> SubjectJacobian:
    """Linearise a prompt's last state in the state of the token at a position.

    Args:
        model: a causal text model.
        tokens: the prompt, from `Model.tokenize`.
        position: of the subject's last token, from 0.
        sites: where its state is taken: residual sites before `output`.
        output: where the last token's state is taken.
        chunk: rows of the Jacobian in one batch.

    Returns:
        States, output and Jacobians, in the model's dtype.

    Raises:
        ValueError: no such position, or a site that the output does not depend on.
        SiteError, ModelError: as `inscape.model.connected.connected`.
    """
    if not 0 <= position < len(tokens):
        raise ValueError(
            f"subject_jacobian: position {position} is not in a prompt of {len(tokens)} tokens"
        )
    chosen, last = model.select(sites), model.select(output)
    if len(last) != 1:
        raise ValueError(
            f"subject_jacobian: one output site is needed, {output!r} names {len(last)}"
        )
    ids = torch.from_numpy(tokens.ids)[None]
    shifts = [
        torch.zeros(model.width(site), dtype=model.dtype, device=model.device) for site in chosen
    ]
    edits = [
        Add(Scope(str(site), positions=(0,)), shift.requires_grad_())
        for site, shift in zip(chosen, shifts, strict=True)
    ]
    seen = connected(
        model,
        ids[:, position:],
        [*chosen, *(s for s in last if s not in chosen)],
        edits=edits,
        cache=prefix_cache(model, ids[:, :position]),
    )
    out = seen[last[0]][0, -1]
    rows = jacobian(out, shifts, chunk=chunk)
    states = torch.stack([seen[site][0, 0].detach() for site in chosen])
    return SubjectJacobian(tuple(chosen), states, out.detach(), torch.stack(rows))
