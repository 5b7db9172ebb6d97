"""Weights from which directions are gone: what ablates at every place that writes to the residual
stream, as a checkpoint.

With Q an orthonormal basis of the directions, every matrix W that writes to the stream (token and
position embeddings, attention output, MLP output) and its bias become

    W ← (I − QᵀQ) W          b ← (I − QᵀQ) b

so the copy computes, with no hook, what `ProjectOut` at ``embed``, ``attn_out.*``, ``mlp_out.*``
computes on the original: their logits are equal to rounding. The copy is an ordinary model and is
saved as one. A family whose blocks normalise what they write cannot be treated so, and is refused.
Tied input and output embeddings are untied: reading is not changed.

Cost: one pass over the weights.
Reference: Arditi et al. (2024), Refusal in language models is mediated by a single direction,
arXiv:2406.11717, §2.4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from inscape.core.edit import ProjectOut, Scope
from inscape.core.errors import ModelError
from inscape.core.projection import span
from inscape.core.site import Site
from inscape.model.model import Model

#: the sites at which the original must be edited to compute what the copy computes
WRITTEN = ("embed", "attn_out.*", "mlp_out.*")


def orthogonalised(model: Model, directions: Float[np.ndarray, "k d"]) -> Model:
    """A copy whose weights write nothing along some directions.

    Args:
        model: a language model whose blocks add to the stream what linear layers give.
        directions: rows that span what is removed.

    Returns:
        The copy, uncertified; open it again after saving to certify it.

    Raises:
        ModelError: no family, or a family that normalises what it writes.
        ValueError: directions of another width, or none.
    """
    q = torch.from_numpy(span(np.atleast_2d(directions)))
    if len(q) == 0:
        raise ValueError(
            "orthogonalised: the directions are all zero, so there is nothing to remove"
        )
    if (
        model.family is None
        or model.family.residual != "sum"
        or model.family.adds != ("attn_out", "mlp_out")
    ):
        raise ModelError(
            f"{model.name}: only networks whose blocks add to a stream of sums, attention and MLP "
            "alone, can be orthogonalised"
        )
    made = model.copied("orthogonalised")
    writers = _writers(made)
    width = writers[0][1].shape[writers[0][2]]
    if q.shape[1] != width:
        raise ValueError(
            f"orthogonalised: directions of width {q.shape[1]} for a stream of width {width}"
        )
    _untie(made)
    with torch.no_grad():
        for module, _, axis in _writers(made):
            for name, parameter in list(module.named_parameters(recurse=False)):
                along = axis if name == "weight" else 0
                parameter.copy_(_without(parameter, q, along))
    return made


def edits_of(directions: Float[np.ndarray, "k d"]) -> list[ProjectOut]:
    """The edits that compute on the original what the copy computes."""
    return [ProjectOut(Scope(WRITTEN), torch.from_numpy(span(np.atleast_2d(directions))))]


def _writers(model: Model) -> list[tuple[nn.Module, Tensor, int]]:
    """Every module that writes to the stream, its weight, and the weight's axis that is the
    stream.
    """
    found: list[tuple[nn.Module, Any, int]] = []
    inner = {id(m) for block in model.atlas.blocks for m in block.modules()}
    for module in model.atlas.body.modules():
        if isinstance(module, nn.Embedding) and id(module) not in inner:
            found.append((module, module.weight, 1))
    for layer in range(len(model.atlas.blocks)):
        for point in ("attn_out", "mlp_out"):
            module = model.atlas.place(Site(point, layer)).module
            if isinstance(module, nn.Linear):
                found.append((module, module.weight, 0))
            elif isinstance(module, Conv1D):  # its weight is (in, out)
                found.append((module, module.weight, 1))
            else:
                raise ModelError(
                    f"{model.name}: {point}.{layer} leaves a {type(module).__name__}, not a linear "
                    "layer, so no weight of its own writes it; ablate with edits instead"
                )
    return found


def _untie(model: Model) -> None:
    head: Any = model.atlas.head
    if head is None:
        return
    shared = {id(weight) for _, weight, _ in _writers(model)}
    if id(head.weight) in shared:
        head.weight = nn.Parameter(head.weight.detach().clone())
        model.net.config.tie_word_embeddings = False


def _without(x: Tensor, q: Tensor, axis: int) -> Tensor:
    moved = x.double().movedim(axis, -1)
    rows = q.to(x.device)
    return (moved - (moved @ rows.T) @ rows).movedim(-1, axis).to(x.dtype)
