"""Whether one head of z is what its name says, shown by the calls in which attention is computed.

An output projection reads all heads in one vector, and its sum is the same whatever entries are
whose. Where a table names no pattern and v whose product is z, what heads give is seen at the call
itself: of `scaled_dot_product_attention`, or of a product (`@`, `einsum`) with softmax weights, the
result

    y, (batch, heads, positions, width)

has an axis of heads. Entries of z are those of head h if z[..., h · width : (h + 1) · width] is
y[:, h] in every layer and no two heads give the same.

Cost: one pass over two short examples, once a model.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import Context
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from inscape.core.site import Site
from inscape.model.axes import drawn_ids
from inscape.model.blank import blank

_EXACT = 1e-5
_PRODUCTS = frozenset({"matmul", "__matmul__"})


def heads_seen(model: Any, point: str) -> bool:
    """Whether the entries of ``z`` (or ``cross_z``) that stand for a head are that head's, in all
    layers.

    Args:
        model: of a family.
        point: ``z`` or ``cross_z``.
    """
    known: dict[str, bool] = model.notes.setdefault("heads seen", {})
    if point not in known:
        known[point] = False  # whatever is asked meanwhile
        with suppress(Exception):  # of what cannot be run here nothing is shown
            known[point] = _seen(model, point)
    return known[point]


def _seen(model: Any, point: str) -> bool:
    sites = [Site(point, layer) for layer in range(len(model.atlas.blocks))]
    inputs = blank(model, 2, torch.Generator().manual_seed(0))
    if model.kind == "text":
        inputs |= drawn_ids(model)
    if model.family.decoder:
        inputs["decoder_input_ids"] = drawn_ids(model)["input_ids"]
    with _Watched() as watched:
        found = Context().run(model.run, inputs, sites)  # without edits that stand
    return all(_matched(found[s], model.atlas.heads(s), watched.given) for s in sites)


class _Watched(TorchFunctionMode):
    """A block that keeps what products with attention weights give.

    Attributes:
        given: results (batch, heads, positions, width), in the order of their calls.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if not isinstance(out, Tensor) or out.ndim != 4:
            return out
        if name == "scaled_dot_product_attention" or (name in _PRODUCTS and _weighs(args[0])):
            self.given.append(out.detach().clone())
        elif name == "einsum" and isinstance(args[0], str):
            self.given += _headed(args[0].replace(" ", ""), args[1:], out)
        return out


def _headed(equation: str, operands: Any, out: Tensor) -> list[Tensor]:
    """The result of an einsum with softmax weights (batch, heads, queries, keys), its heads in
    front; none where it has no axis for them.
    """
    taken, _, given = equation.partition("->")
    for letters, x in zip(taken.split(","), operands, strict=False):
        if len(letters) == 4 and _weighs(x) and len(given) == 4:
            order = [given.find(letter) for letter in letters[:3]]
            if -1 not in order:
                rest = ({0, 1, 2, 3} - {*order}).pop()
                return [out.detach().permute(*order, rest).clone()]
    return []


def _weighs(x: Any) -> bool:
    """Whether rows of a tensor are softmax weights."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        return False
    ones = torch.ones((), dtype=torch.float64, device=x.device)
    return bool((x >= 0).all()) and torch.allclose(x.double().sum(-1), ones, atol=1e-2)


def _matched(z: Tensor, heads: int, given: list[Tensor]) -> bool:
    """Whether one call gave z head by head, and no two heads the same."""
    if z.shape[-1] % heads:
        return False
    apart = z.unflatten(-1, (heads, -1)).transpose(1, 2).double()
    size = apart.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    for out in given:
        if out.shape != apart.shape:
            continue
        if bool(((out.double() - apart) / size).norm(dim=-1).max() > _EXACT):
            continue
        flat = apart.transpose(0, 1).flatten(1)
        gaps = torch.cdist(flat, flat) / flat.norm(dim=1).mean().clamp_min(1e-12)
        off = gaps[~torch.eye(heads, dtype=torch.bool, device=gaps.device)]
        return bool((off > 1e-3).all())
    return False
