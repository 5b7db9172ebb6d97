"""Identities of the parts of a block: what would break if the table were wrong about q, k, v, pattern, z or the MLP.

In every layer, of tensors captured at the sites and of the network's own modules::

    attn_in       v = the projection that makes v, of attn_in
    q, k          pattern = softmax(s · q kᵀ + mask), where position encoding has been taken out of the pass
    v             pattern · v = z, head by head, keys and values shared within a group
    z             attn_out = the output projection of z (and the norm after it, in sandwich families)
    mlp_in        mlp_pre = the projection that makes mlp_pre, of mlp_in
    mlp_pre       mlp_act = act(mlp_pre), times what the gate lets through where the MLP is gated
    mlp_act       mlp_out = the output projection of mlp_act (and the norm after it, in sandwich families)

q and k stand before position encoding and after their own norm, where they have one. Rotary encoding is taken out by a
rotation of zero (cosine 1, sine 0), which leaves every other part as it is; so the score of q_i and k_j is their inner
product times one number. In the first layer q and k must be the same with the rotation and without it, else they stand
after it. An additive bias of positions (ALiBi) is read off a pass whose queries are zero.

An identity that holds vouches for what it speaks of; one that fails refuses what no other identity vouches for. A site
that no identity has touched is refused: nothing is known of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from inscape.core.batch import Batch
from inscape.core.edit import Replace, Scope
from inscape.core.errors import SiteError
from inscape.core.site import Site
from inscape.model.family import Family, Tap
from inscape.model.item import Item, difference
from inscape.model.layout import View
from inscape.model.taps import Place

if TYPE_CHECKING:
    from inscape.model.model import Model

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Identity:
    """One identity.

    Attributes:
        name: what equals what.
        proves: the points it vouches for where it holds.
        needs: further points it is computed from, which others vouch for.
        gap: (model, layer, tensors by point) → how far off it is.
        wrong: what is said where it fails.
        least: the least tolerance: softmax is in float32 in most architectures, whatever the dtype.
    """

    name: str
    proves: tuple[str, ...]
    needs: tuple[str, ...]
    gap: Callable[[Model, int, Tensors], float]
    wrong: str
    least: float = 0.0


def measure(model: Model, batch: Batch, acts: Mapping[Site, Tensor], tol: float) -> Iterator[Item]:
    """One item for each identity that a model's points allow.

    Args:
        model: the model.
        batch: what was run.
        acts: what was captured of it at every site but the patterns.
        tol: the tolerance of its dtype.
    """
    family = model.family
    assert family is not None
    try:
        more = _attention(model, batch)
    except SiteError as error:
        more = {}
        yield Item("patterns are given", False, float("inf"), 0.0, ("pattern.*",), str(error))
    layers = range(len(model.atlas.blocks))
    of = [
        {p: acts[Site(p, i)] for p in family.points if Site(p, i) in acts}
        | {p: x[i] for p, x in more.items()}
        for i in layers
    ]
    table = [one for one in _IDENTITIES if one.name not in _inapplicable(family)]
    gaps: dict[tuple[str, int], float] = {}
    for one in table:
        for i in layers:
            if {*one.proves, *one.needs} <= set(of[i]):
                gaps[one.name, i] = _gap(one, model, i, of[i])
    sound = {
        Site(p, i)
        for one in table
        for i in layers
        if gaps.get((one.name, i), float("inf")) <= max(tol, one.least)
        for p in one.proves
    }
    for one in table:
        mine = {i: gap for (name, i), gap in gaps.items() if name == one.name}
        if mine:
            yield _item(one, mine, sound, max(tol, one.least))
    yield _untouched(model, table, gaps)


def _gap(one: Identity, model: Model, layer: int, of: Tensors) -> float:
    try:
        with torch.no_grad():
            return one.gap(model, layer, of)
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError):
        return float("inf")  # shapes or modules that do not fit: the table is wrong


def _item(one: Identity, gaps: dict[int, float], sound: set[Site], tol: float) -> Item:
    failed = [i for i, gap in gaps.items() if gap > tol]
    refused: list[str] = []
    for i in failed:
        spoken = [Site(p, i) for p in one.proves]
        refused += map(str, [s for s in spoken if s not in sound] or spoken)
    worst = max(gaps.values())
    reason = f"{one.wrong} in layer {failed[0]} (off by {gaps[failed[0]]:.2g})" if failed else ""
    if len(failed) > 1:
        reason += f" and {len(failed) - 1} more"
    return Item(one.name, not failed, worst, tol, tuple(refused), reason)


def _untouched(model: Model, table: list[Identity], gaps: Mapping[tuple[str, int], float]) -> Item:
    """The sites that no identity speaks of: those of the residual stream are measured elsewhere."""
    elsewhere = {"resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post"}
    by_name = {one.name: one for one in table}
    touched = {Site(p, i) for name, i in gaps for p in by_name[name].proves}
    left = tuple(
        str(s)
        for s in model.sites
        if s.layer is not None and s.point not in elsewhere and s not in touched
    )
    reason = f"no identity speaks of {', '.join(left[:3])}, so nothing is known of it"
    return Item(
        "every site is measured", not left, float(len(left)), 0.0, left, reason * bool(left)
    )


def _inapplicable(family: Family) -> tuple[str, ...]:
    out = () if family.act else ("mlp_act = act(mlp_pre)",)
    return out if "mlp_pre" not in family.points else (*out, "mlp_out = the MLP of mlp_in")


# ---------------------------------------------------------------- attention


def _attention(model: Model, batch: Batch) -> dict[str, list[Tensor]]:
    """Patterns, and what the score identity needs, all layers, from passes of their own.

    Returns:
        Point → one tensor a layer: ``pattern`` of the pass as it is; ``free pattern``, ``free q`` and ``free k`` of the
        pass without position encoding; ``bias``, the log pattern of queries of zero, where the family has a bias.
    """
    family = model.family
    assert family is not None
    if "pattern" not in family.points:
        return {}
    layers = range(len(model.atlas.blocks))
    points = tuple(p for p in ("q", "k", "pattern") if p in family.points)
    sites = [Site(p, i) for i in layers for p in points]
    whole = model.run(batch, sites)
    out = {"pattern": [whole[Site("pattern", i)] for i in layers]}
    if len(points) < 3:
        return out
    rotating = [m for m in model.atlas.body.modules() if "Rotary" in type(m).__name__]
    free = whole
    if rotating or family.rotation == "position_ids":
        with _unturned(rotating):
            free = model.run(batch, sites, forward=_zeros(model, batch))
    out |= {f"free {p}": [free[Site(p, i)] for i in layers] for p in points}
    if family.bias:
        with _unturned(rotating):
            none = Replace(Scope("q.*"), torch.zeros(()))
            flat = model.run(batch, [Site("pattern", i) for i in layers], edits=none)
        out["bias"] = [flat[Site("pattern", i)].log() for i in layers]
    return out


@contextmanager
def _unturned(rotating: list[nn.Module]) -> Iterator[None]:
    """A block in which rotary encoding turns by nothing."""

    def still(_module: nn.Module, _args: Any, out: Any) -> Any:
        if isinstance(out, tuple) and len(out) == 2:
            return torch.ones_like(out[0]), torch.zeros_like(out[1])
        return out

    handles = [m.register_forward_hook(still) for m in rotating]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _zeros(model: Model, batch: Batch) -> dict[str, Tensor]:
    """Position ids of zero, for networks that turn by them without a module of its own."""
    if model.family is None or model.family.rotation != "position_ids":
        return {}
    if "position_ids" not in inspect.signature(model.atlas.body.forward).parameters:
        return {}
    ids = batch.inputs["input_ids"]
    # with a mask, transformers does not take equal positions for the starts of packed documents
    return {"position_ids": torch.zeros_like(ids), "attention_mask": torch.ones_like(ids)}


def _scale(model: Model, layer: int, width: int) -> float:
    """What the inner product of a query and a key, each of so many numbers, is multiplied by."""
    assert model.family is not None
    named = model.family.scale
    if isinstance(named, float):
        return named
    holder = model.atlas.place(Site("pattern", layer)).module
    found = next((m.__dict__[named] for m in holder.modules() if named in m.__dict__), None)
    return float(found) if isinstance(found, (int, float)) else width**-0.5


def _heads(model: Model, point: str, x: Tensor) -> Tensor:
    """(batch, positions, heads · width) as (batch, query heads, positions, width), groups repeated."""
    many, own = (model.atlas.heads(Site(p, 0)) for p in ("q", point))
    apart = x.unflatten(-1, (own, -1)).transpose(1, 2)
    return apart if own == many else apart.repeat_interleave(many // own, dim=1)


def _scores(model: Model, layer: int, of: Tensors) -> float:
    q, k = (_heads(model, p, of[f"free {p}"]) for p in ("q", "k"))
    pattern = of["free pattern"]
    scores = _scale(model, layer, q.shape[-1]) * (q @ k.transpose(-1, -2)).float()
    cap = getattr(model.atlas.config, "attn_logit_softcapping", None)
    if cap:
        scores = cap * torch.tanh(scores / cap)
    if "bias" in of:
        scores = scores + of["bias"]
    seen = pattern > 0
    found = torch.where(seen, scores.double(), -torch.inf).softmax(-1)
    whole = pattern.double() / pattern.double().sum(-1, keepdim=True)
    off = difference(found, whole)
    # an error of ε in a score is one of ε in its share: rounding of large scores is not held against the table
    rounding = 4 * torch.finfo(q.dtype).eps * float((scores * seen).nan_to_num().abs().max())
    off -= rounding
    if layer == 0:
        off = max(off, *(difference(of[f"free {p}"], of[p]) for p in ("q", "k")))
    return max(off, 0.0)


def _values(model: Model, _layer: int, of: Tensors) -> float:
    v = _heads(model, "v", of["v"])
    return difference((of["pattern"].to(v.dtype) @ v).transpose(1, 2).flatten(-2), of["z"])


# ---------------------------------------------------------------- projections


def _given(place: Place, x: Tensor) -> Tensor:
    """What a tap's own module makes of x, read as the tap reads it."""
    out = place.module(x)
    if not isinstance(out, Tensor):
        out = list(out)[place.index]
    return place.view.read(out, len(x))


def _made(point: str, source: str) -> Callable[[Model, int, Tensors], float]:
    """``point`` = the module whose output it is, of ``source``."""

    def gap(model: Model, layer: int, of: Tensors) -> float:
        return difference(_given(model.atlas.place(Site(point, layer)), of[source]), of[point])

    return gap


def _projected(inner: str, added: str) -> Callable[[Model, int, Tensors], float]:
    """``added`` = what the module that reads ``inner`` makes of it, after a norm where the family has one there."""

    def gap(model: Model, layer: int, of: Tensors) -> float:
        assert model.family is not None
        reader, giver = (model.family.points[p] for p in (inner, added))
        place = model.atlas.place(Site(added, layer))
        reads = model.atlas.place(Site(inner, layer)).module
        out = reads(of[inner])
        out = out if isinstance(out, Tensor) else out[0]
        same = reader.path == giver.path or reader.path.startswith(giver.path + ".")
        out = out if same else place.module(out)
        return difference(place.view.read(out, len(out)), of[added])

    return gap


def _activated(model: Model, layer: int, of: Tensors) -> float:
    family = model.family
    assert family is not None
    block = model.atlas.blocks[layer]
    act = ACT2FN[family.act] if family.act in ACT2FN else block.get_submodule(family.act)
    out = act(of["mlp_pre"])
    if family.up is not None:
        source = of.get("mlp_in", of.get("resid_mid"))
        assert source is not None
        out = out * _given(_aside(block, family.up), source)
    return difference(out, of["mlp_act"])


def _aside(block: nn.Module, tap: Tap) -> Place:
    return Place(block.get_submodule(tap.path), tap.side, tap.index, View(tap.layout, tokens=True))


#: the tolerance of what is computed in float32
_SINGLE = 1e-5

_IDENTITIES = (
    Identity(
        "v = its projection of attn_in",
        ("attn_in",),
        ("v",),
        _made("v", "attn_in"),
        "the projection that makes v does not read attn_in",
    ),
    Identity(
        "softmax(q k) = pattern",
        ("q", "k", "pattern"),
        ("free q", "free k", "free pattern"),
        _scores,
        "the scores of q and k, before position encoding, do not make the pattern",
        _SINGLE,
    ),
    Identity(
        "pattern v = z",
        ("v", "pattern"),
        ("z",),
        _values,
        "the pattern's mean of v, head by head, is not z",
        _SINGLE,
    ),
    Identity(
        "z projected = attn_out",
        ("z",),
        ("attn_out",),
        _projected("z", "attn_out"),
        "the output projection of z is not attn_out",
    ),
    Identity(
        "mlp_pre = its projection of mlp_in",
        ("mlp_in",),
        ("mlp_pre",),
        _made("mlp_pre", "mlp_in"),
        "the projection that makes mlp_pre does not read mlp_in",
    ),
    Identity(
        "mlp_act = act(mlp_pre)",
        ("mlp_pre",),
        ("mlp_act",),
        _activated,
        "mlp_act is not the activation of mlp_pre (times what is gated)",
    ),
    Identity(
        "mlp_act projected = mlp_out",
        ("mlp_act",),
        ("mlp_out",),
        _projected("mlp_act", "mlp_out"),
        "the output projection of mlp_act is not mlp_out",
    ),
    Identity(
        "mlp_out = the MLP of mlp_in",
        ("mlp_in",),
        ("mlp_out",),
        _made("mlp_out", "mlp_in"),
        "the MLP does not read mlp_in",
    ),
)
