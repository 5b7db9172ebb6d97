"""Which heads write a direction: each head's part of what the residual stream holds along it at
given tokens.

    h_s(t)·d = e(t)·d + Σ_{l ≤ s} [ Σ_heads W_O z_{l,head}(t)·d + mlp_l(t)·d ]  + biases, in which no two texts differ

so that the difference between opposite texts is the sum of what heads and MLPs add, without a rest,
and shares sum to 1 where the embeddings of the tokens looked at are the same. A share is of this
sum alone: what a head writes may have been read from what another wrote.

Cost: one pass over the texts; texts × heads × directions numbers.
Reference: Elhage et al. (2021), A mathematical framework for transformer circuits; Tigges et al.
(2023), arXiv:2310.15154, §3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inscape.core.batch import Tokens
from inscape.core.errors import DataError, ModelError
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.model.batching import batches_by_length
from inscape.model.model import Model

#: from an example's tokens and spans, which of its tokens
Mark = Callable[[Tokens, Mapping[str, tuple[int, int]]], np.ndarray]


@dataclass(frozen=True)
class Writes:
    """What is written along k directions, mean over the tokens looked at.

    Attributes:
        heads: by every head; zero behind the site that is looked at, (n, layers, heads, k).
        mlps: by every MLP, (n, layers, k).
        stream: what the stream holds there, (n, k).
    """

    heads: Float[np.ndarray, "n l h k"]
    mlps: Float[np.ndarray, "n l k"]
    stream: Float[np.ndarray, "n k"]


def writes_apart(model: Model) -> bool:
    """Whether heads add to the stream each for itself: not where a norm stands behind the
    attention, or nothing shows which entries are of which head.
    """
    if model.family is None or "z" not in model.family.points or model.family.residual != "sum":
        return False
    if not model.heads_are_shown(Site("z", 0, 0)):
        return False
    z, added = (model.atlas.place(Site(p, 0)) for p in ("z", "attn_out"))
    return z.module is added.module and added.view.factor == 1


def head_writes(
    model: Model,
    examples: Examples,
    layer: int,
    directions: Float[np.ndarray, "k d"],
    mark: Mark,
    *,
    budget: int = 1024,
) -> Writes:
    """Run a language model over texts and share out what its stream holds.

    Args:
        model: heads must write for themselves (`writes_apart`).
        examples: the texts.
        layer: the stream is looked at after this block; −1 before the first.
        directions: used as they are (give unit ones).
        mark: which tokens of each text.
        budget: padded tokens a batch.

    Raises:
        ModelError: a norm stands behind the attention.
        DataError: a text without such a token.
    """
    if not writes_apart(model):
        raise ModelError(
            f"{model.name}: a norm stands between heads and stream, so no head's part is its own"
        )
    tokens = model.tokenize(examples.texts())
    masks = [np.asarray(mark(t, examples.span(i)), dtype=bool) for i, t in enumerate(tokens)]
    if bare := [t.text for t, m in zip(tokens, masks, strict=True) if not m.any()]:
        raise DataError(
            f"{len(bare)} texts have no token of the kind that is looked at, such as "
            f"{bare[0][:60]!r}."
        )
    onto = torch.from_numpy(np.asarray(directions, dtype=np.float32)).to(model.device)
    depth, count = len(model.atlas.blocks), model.atlas.heads(Site("z", 0))
    parts = [_onto_heads(model, i, onto) for i in range(layer + 1)]
    n, k = len(tokens), len(directions)
    heads, mlps, stream = np.zeros((n, depth, count, k)), np.zeros((n, depth, k)), np.zeros((n, k))
    end = Site("resid_post", layer) if layer >= 0 else Site("embed")
    sites = [Site(point, i) for i in range(layer + 1) for point in ("z", "mlp_out")]
    for rows in batches_by_length([len(t) for t in tokens], budget):
        found = model.run(model.collate([tokens[i] for i in rows]), [*sites, end])
        weight = _weights([masks[i] for i in rows]).to(model.device)
        stream[rows] = _mean(found[end].float() @ onto.T, weight)
        for i, by in enumerate(parts):
            z = found[Site("z", i)].float().unflatten(-1, (count, -1))
            heads[rows, i] = _mean(torch.einsum("bthw,hwk->bthk", z, by), weight)
            mlps[rows, i] = _mean(found[Site("mlp_out", i)].float() @ onto.T, weight)
    return Writes(heads, mlps, stream)


def _onto_heads(model: Model, layer: int, onto: Float[Tensor, "k d"]) -> Float[Tensor, "h w k"]:
    """The output projection of each head, onto the directions: found by what its module does, not
    by what it is called.
    """
    site = Site("z", layer)
    module, heads = model.atlas.place(site).module, model.atlas.heads(site)
    width = model.width(site)
    with torch.no_grad():
        basis = torch.eye(width, dtype=model.dtype, device=model.device)
        rows = module(basis) - module(torch.zeros_like(basis[:1]))
    return (rows.float() @ onto.T).unflatten(0, (heads, -1))


def _weights(masks: Sequence[np.ndarray]) -> Float[Tensor, "b t"]:
    """One over the number of tokens looked at, at each of them."""
    out = torch.zeros(len(masks), max(map(len, masks)))
    for row, mask in zip(out, masks, strict=True):
        row[: len(mask)] = torch.from_numpy(mask / mask.sum())
    return out


def _mean(x: Float[Tensor, "b t *rest"], weight: Float[Tensor, "b t"]) -> np.ndarray:
    return torch.einsum("bt...,bt->b...", x, weight).double().cpu().numpy()
