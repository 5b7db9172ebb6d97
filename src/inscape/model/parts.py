"""Identities of the parts of a block: what would break if the table were wrong about q, k, v,
pattern, z or the MLP.

In every layer, of tensors captured at the sites and of the network's own modules::

    attn_in       v = the projection that makes v, of attn_in
    q, k          pattern = softmax(s · q kᵀ + mask), where position encoding has been taken out of the pass
    v             pattern · v = z, head by head, keys and values shared within a group
    z             attn_out = the output projection of z (and the norm after it, in sandwich families)
    mlp_in        mlp_pre = the projection that makes mlp_pre, of mlp_in
    mlp_pre       mlp_act = act(mlp_pre), times what the gate lets through where the MLP is gated
    mlp_act       mlp_out = the output projection of mlp_act (and the norm after it, in sandwich families)

The attention of a decoder to its encoder (``cross_…``) has the same identities as its attention to
itself. Where keys and values are made of a compressed state, the values are its projection
(``latent``), and it is made of attn_in. The identities of state spaces are in
`inscape.model.state_space`.

q and k stand before position encoding and after their own norm, where they have one. Rotary
encoding is taken out by a rotation of zero (cosine 1, sine 0), which leaves every other part as it
is; so the score of q_i and k_j is their inner product times one number. In the first layer q and k
must be the same with the rotation and without it, else they stand after it. An additive bias of
positions (ALiBi) is read off a pass whose queries are zero.

An identity that holds vouches for what it speaks of; one that fails refuses what no other identity
vouches for. A site that no identity has touched is refused: nothing is known of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from inscape.core.batch import Batch
from inscape.core.edit import Replace, Scope
from inscape.core.errors import SiteError
from inscape.core.site import HEAD_POINTS, Site
from inscape.model import state_space
from inscape.model.family import ADDED, Family, Tap
from inscape.model.item import Item, difference
from inscape.model.layout import View
from inscape.model.modes import evaluating
from inscape.model.network import Network
from inscape.model.taps import Place
from inscape.model.within_thread import own_hook

Tensors = Mapping[str, Tensor]
#: what a tensor or a module that a wrong table names leads to
_UNFIT = (
    RuntimeError,
    ValueError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
)
#: what stands before the points of an attention: to the stack itself, to an encoder
KINDS = ("", "cross_")


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
    gap: Callable[[Network, int, Tensors], float]
    wrong: str
    least: float = 0.0


def measure(
    model: Network,
    batch: Batch,
    acts: Mapping[Site, Tensor],
    tol: float,
    unproven: frozenset[Site] = frozenset(),
) -> Iterator[Item]:
    """One item for each identity that a model's points allow.

    Args:
        model: the model.
        batch: what was run.
        acts: what was captured of it at every site but the patterns.
        tol: the tolerance of its dtype.
        unproven: what is added to the residual stream and no sum has shown: it is refused, unless
            an identity holds of it.
    """
    family = model.family
    assert family is not None
    try:
        more = _attention(model, batch, acts)
    except (SiteError, *_UNFIT) as error:
        more = {}
        yield Item("patterns are given", False, float("inf"), 0.0, ("pattern.*",), str(error))
    try:
        more |= _taken(model, batch)
    except (SiteError, *_UNFIT):  # what failed is said by what measures it
        pass
    layers = range(len(model.atlas.blocks))
    of = [
        {p: acts[Site(p, i)] for p in family.points if Site(p, i) in acts}
        | {p: x[i] for p, x in more.items()}
        for i in layers
    ]
    yield from _headed(model, of)
    table = [one for one in _IDENTITIES if one.name not in _inapplicable(family)]
    gaps: dict[tuple[str, int], float] = {}
    with evaluating(model.net):
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
    shown = {
        Site(p, i)
        for one in table
        for i in layers
        if gaps.get((one.name, i), float("inf")) <= max(tol, one.least)
        for p in one.needs
    }
    if left := sorted(map(str, unproven - shown)):
        reason = f"no sum and no projection shows {', '.join(left[:3])}"
        yield Item("every part is shown", False, float(len(left)), 0.0, tuple(left), reason)


def _headed(model: Network, of: list[dict[str, Tensor]]) -> Iterator[Item]:
    """Patterns have as many heads as the table says, and so many heads share the width of the
    others.
    """
    wrong: list[str] = []
    for layer, points in enumerate(of):
        for p in HEAD_POINTS & points.keys():
            many, shape = model.atlas.heads(Site(p, layer)), points[p].shape
            fits = (
                len(shape) == 4 and shape[1] == many
                if p.endswith("pattern")
                else len(shape) > 0 and shape[-1] % many == 0
            )
            wrong += [] if fits else [p]
    if any(points.keys() & HEAD_POINTS for points in of):
        crossing = {p.startswith("cross_") for p in wrong}
        heads = sorted(HEAD_POINTS & set(model.family.points if model.family else ()))
        bad = tuple(f"{p}.*" for p in heads if p.startswith("cross_") in crossing)
        reason = f"{wrong[0]} does not have as many heads as the table says" if wrong else ""
        yield Item("heads are counted right", not wrong, float(len(wrong)), 0.0, bad, reason)


def _gap(one: Identity, model: Network, layer: int, of: Tensors) -> float:
    try:
        with torch.no_grad():
            return one.gap(model, layer, of)
    except _UNFIT:
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


def _untouched(
    model: Network, table: list[Identity], gaps: Mapping[tuple[str, int], float]
) -> Item:
    """The sites that no identity speaks of: those of the residual stream are measured elsewhere."""
    elsewhere = {"resid_pre", *ADDED, *ADDED.values()}
    by_name = {one.name: one for one in table}
    touched = {Site(p, i) for name, i in gaps for p in by_name[name].proves}
    left = tuple(
        str(s)
        for s in model.sites
        if s.layer is not None and s.point not in elsewhere and s not in touched
    )
    reason = f"no check covers {', '.join(left[:3])}"
    return Item(
        "every site is measured", not left, float(len(left)), 0.0, left, reason * bool(left)
    )


def _inapplicable(family: Family) -> tuple[str, ...]:
    out: tuple[str, ...] = () if family.act else ("mlp_act = act(mlp_pre)",)
    if family.latent:
        out = (*out, "v = its projection of attn_in")
    return out if "mlp_pre" not in family.points else (*out, "mlp_out = the MLP of mlp_in")


# ---------------------------------------------------------------- attention


def _attention(
    model: Network, batch: Batch, acts: Mapping[Site, Tensor]
) -> dict[str, list[Tensor]]:
    """Patterns, and what the score identities need, all layers, from passes of their own.

    Returns:
        Point → one tensor a layer: ``pattern`` of the pass as it is; ``free pattern``, ``free q``
        and ``free k`` of the pass without position encoding; ``bias``, the log pattern of queries
        of zero, where the family has a bias. The same of the attention to an encoder, with
        ``cross_`` before each point.
    """
    family = model.family
    assert family is not None
    kinds = [kind for kind in KINDS if f"{kind}pattern" in family.points]
    if not kinds:
        return {}
    layers = range(len(model.atlas.blocks))
    given = [f"{k}{p}" for k in kinds for p in ("q", "k") if f"{k}{p}" in family.points]
    given = [p for p in given if all(Site(p, i) in acts for i in layers)]
    scored = [kind for kind in kinds if {f"{kind}q", f"{kind}k"} <= set(given)]
    points = [f"{kind}pattern" for kind in kinds] + [f"{k}{p}" for k in scored for p in ("q", "k")]
    sites = [Site(p, i) for i in layers for p in points]
    whole = model.run(batch, sites)
    out = {f"{k}pattern": [whole[Site(f"{k}pattern", i)] for i in layers] for k in kinds}
    if not scored or whole[sites[0]].shape[-1] < 2:
        return out  # the softmax of one score is 1, whatever q and k are
    rotating = [m for m in model.atlas.body.modules() if _rotates(m)]
    free = whole
    if rotating or family.rotation == "position_ids":
        with _unturned(rotating):
            free = model.run(batch, sites, forward=_zeros(model, batch))
    made = [f"{k}{p}" for k in scored for p in ("q", "k", "pattern")]
    out |= {f"free {p}": [free[Site(p, i)] for i in layers] for p in made}
    if family.bias:
        with _unturned(rotating):
            none = Replace(Scope("q.*"), torch.zeros(()))
            flat = model.run(batch, [Site("pattern", i) for i in layers], edits=none)
        out["bias"] = [flat[Site("pattern", i)].log() for i in layers]
    return out


def _taken(model: Network, batch: Batch) -> dict[str, list[Tensor]]:
    """What modules read that no point of the table names: in sandwich families the norm behind a
    projection, and what compresses keys and values. Through a norm alone, a tensor of another
    length would look the same.

    Returns:
        One tensor a layer: ``into POINT`` for the modules that give `POINT` after another has
        projected it; ``compressed``.
    """
    family = model.family
    assert family is not None
    layers, wanted = range(len(model.atlas.blocks)), {}
    for inner, added in _PROJECTED:
        taps = [family.points.get(p) for p in (inner, added)]
        if all(taps) and not _same(*(tap for tap in taps if tap is not None)):
            wanted[f"into {added}"] = [model.atlas.place(Site(added, i)).module for i in layers]
    if family.latent:
        first = family.latent[0]
        wanted["compressed"] = [block.get_submodule(first) for block in model.atlas.blocks]
    modules = {id(m): m for made in wanted.values() for m in made}
    seen: dict[int, list[Tensor]] = {key: [] for key in modules}

    def note(module: nn.Module, args: tuple[Any, ...]) -> None:
        seen[id(module)] += [x.clone() for x in args[:1] if isinstance(x, Tensor)]

    handles = [m.register_forward_pre_hook(own_hook(note)) for m in modules.values()]
    try:
        if wanted:
            model.run(batch, Site("resid_post", layers[-1]))
    finally:
        for handle in handles:
            handle.remove()
    calls = [model.atlas.calls(i) for i in layers]
    out = {}
    for name, made in wanted.items():
        found = [(seen[id(m)], *call) for m, call in zip(made, calls, strict=True)]
        if all(len(x) == many for x, _, many in found):  # else it is called for other things too
            out[name] = [x[call] for x, call, _ in found]
    return out


#: what is projected, and what is added of it
_PROJECTED = (
    ("z", "attn_out"),
    ("cross_z", "cross_out"),
    ("mlp_act", "mlp_out"),
    ("mixer_act", "mixer_out"),
)


def _same(reader: Tap, giver: Tap) -> bool:
    """Whether what reads one point gives the other, or lies inside of what gives it."""
    return reader.path == giver.path or reader.path.startswith(giver.path + ".")


def _rotates(module: nn.Module) -> bool:
    """Whether a module gives the cosines and sines of rotary encoding."""
    name = type(module).__name__
    return "Rotary" in name or "RopePosition" in name


@contextmanager
def _unturned(rotating: list[nn.Module]) -> Iterator[None]:
    """A block in which rotary encoding turns by nothing."""

    def still(_module: nn.Module, _args: Any, out: Any) -> Any:
        if isinstance(out, tuple) and len(out) == 2:
            return torch.ones_like(out[0]), torch.zeros_like(out[1])
        return out

    handles = [m.register_forward_hook(own_hook(still)) for m in rotating]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _zeros(model: Network, batch: Batch) -> dict[str, Tensor]:
    """Position ids of zero, for networks that turn by them without a module of its own."""
    if model.family is None or model.family.rotation != "position_ids":
        return {}
    if "position_ids" not in inspect.signature(model.atlas.body.forward).parameters:
        return {}
    ids = batch.inputs["input_ids"]
    # with a mask, transformers does not take equal positions for the starts of packed documents
    return {"position_ids": torch.zeros_like(ids), "attention_mask": torch.ones_like(ids)}


def _scale(model: Network, kind: str, layer: int, width: int) -> float:
    """What the inner product of a query and a key, each of so many numbers, is multiplied by."""
    assert model.family is not None
    named = model.family.scale
    if isinstance(named, float):
        return named
    holder = model.atlas.place(Site(f"{kind}pattern", layer)).module
    found = next((m.__dict__[named] for m in holder.modules() if named in m.__dict__), None)
    return float(found) if isinstance(found, (int, float)) else width**-0.5


def _heads(model: Network, point: str, x: Tensor) -> Tensor:
    """(batch, positions, heads · width) as (batch, query heads, positions, width), groups
    repeated.
    """
    many, own = (model.atlas.heads(Site(p, 0)) for p in ("q", point))
    apart = x.unflatten(-1, (own, -1)).transpose(1, 2)
    return apart if own == many else apart.repeat_interleave(many // own, dim=1)


def _scores(kind: str) -> Callable[[Network, int, Tensors], float]:
    def gap(model: Network, layer: int, of: Tensors) -> float:
        q, k = (_heads(model, p, of[f"free {kind}{p}"]) for p in ("q", "k"))
        pattern = of[f"free {kind}pattern"]
        scores = _scale(model, kind, layer, q.shape[-1]) * (q @ k.transpose(-1, -2)).float()
        cap = getattr(model.atlas.config, "attn_logit_softcapping", None)
        if cap:
            scores = cap * torch.tanh(scores / cap)
        if "bias" in of and not kind:
            scores = scores + of["bias"]
        seen = pattern > 0
        shown = torch.where(seen, scores.double(), -torch.inf)
        attention = model.atlas.place(Site(f"{kind}pattern", layer)).module
        found = _shares(shown, attention)
        off = difference(found, pattern.double())
        # an error of ε in a score is one of ε in its share: rounding of large scores is not held
        # against the table
        rounding = 4 * torch.finfo(q.dtype).eps * float((scores * seen).nan_to_num().abs().max())
        off -= rounding
        if layer == 0:
            points = (f"{kind}q", f"{kind}k")
            off = max(off, *(difference(of[f"free {p}"], of[p]) for p in points))
        return max(off, 0.0)

    return gap


def _shares(scores: Tensor, attention: nn.Module) -> Tensor:
    """The softmax of scores (batch, heads, queries, keys), a part of which goes to each head's sink
    where the attention has them.
    """
    sinks = next((m.sinks for m in attention.modules() if hasattr(m, "sinks")), None)
    if not isinstance(sinks, Tensor):
        return scores.softmax(-1)
    sink = sinks.to(scores).view(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
    return torch.cat([scores, sink], dim=-1).softmax(-1)[..., :-1]


def _values(kind: str) -> Callable[[Network, int, Tensors], float]:
    def gap(model: Network, _layer: int, of: Tensors) -> float:
        v = _heads(model, "v", of[f"{kind}v"])
        made = of[f"{kind}pattern"].to(v.dtype) @ v
        return difference(made.transpose(1, 2).flatten(-2), of[f"{kind}z"])

    return gap


def _compressed(model: Network, layer: int, of: Tensors) -> float:
    """``latent`` = the family's modules on ``attn_in``, each on the first entries of what came
    before.
    """
    assert model.family is not None
    x, block = of["attn_in"], model.atlas.blocks[layer]
    for path in model.family.latent:
        module: nn.Module = block.get_submodule(path)
        weight = module.weight
        assert isinstance(weight, Tensor)
        x = module(x[..., : weight.shape[-1]])
    # a norm on the way forgets how long attn_in was
    lengths = difference(of["attn_in"], of["compressed"])
    return max(lengths, difference(x[..., : of["latent"].shape[-1]], of["latent"]))


# ---------------------------------------------------------------- projections


def _given(place: Place, x: Tensor) -> Tensor:
    """What a tap's own module makes of x, read as the tap reads it."""
    out = place.module(x)
    if not isinstance(out, Tensor):
        out = list(out)[place.index]
    return place.view.read(out, len(x))


def _made(point: str, source: str) -> Callable[[Network, int, Tensors], float]:
    """``point`` = the module whose output it is, of ``source``."""

    def gap(model: Network, layer: int, of: Tensors) -> float:
        return difference(_given(model.atlas.place(Site(point, layer)), of[source]), of[point])

    return gap


def _projected(inner: str, added: str) -> Callable[[Network, int, Tensors], float]:
    """``added`` = what the module that reads ``inner`` makes of it, after a norm where the family
    has one there.
    """

    def gap(model: Network, layer: int, of: Tensors) -> float:
        assert model.family is not None
        reader, giver = (model.family.points[p] for p in (inner, added))
        place = model.atlas.place(Site(added, layer))
        reads = model.atlas.place(Site(inner, layer)).module
        if not _is_affine(reads, of[inner]):  # an activation that the projection follows, say
            return float("inf")
        out = _tensor(reads(of[inner]))
        taken = of.get(f"into {added}")
        before = 0.0 if taken is None else difference(out.reshape(taken.shape), taken)
        out = out if _same(reader, giver) else place.module(out)
        out = out if isinstance(out, Tensor) else list(out)[place.index]
        return max(before, difference(place.view.read(out, len(out)), of[added]))

    return gap


def _tensor(out: Any) -> Tensor:
    found = out if isinstance(out, Tensor) else out[0]
    assert isinstance(found, Tensor)
    return found


def _is_affine(module: Callable[[Tensor], Any], x: Tensor) -> bool:
    """Whether a module is a projection, (f(4x) − f(x)) / 3 = (f(x) − f(−x)) / 2, as far as rounded
    weights allow.
    """
    back, once, far = (_tensor(module(c * x)) for c in (-1.0, 1.0, 4.0))
    return difference(((far - once) / 3).flatten(), ((once - back) / 2).flatten()) < _BENT


def _activated(model: Network, layer: int, of: Tensors) -> float:
    family = model.family
    assert family is not None
    # a ReLU changes nothing of what it gave itself, which vouches for nothing; zeros become zeros
    # anyway
    if torch.equal(of["mlp_pre"], of["mlp_act"]) and bool(of["mlp_pre"].any()):
        return float("inf")
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


#: of what is projected, how much may be no projection: int8 weights and activations are off by some
# hundredths
_BENT = 0.1
#: the tolerance of what is computed in float32
_SINGLE = 1e-5


def _attending(kind: str) -> tuple[Identity, ...]:
    """The identities of one attention, to the stack itself or to an encoder."""
    added = f"{kind}out" if kind else "attn_out"
    return (
        Identity(
            f"softmax({kind}q {kind}k) = {kind}pattern",
            (f"{kind}q", f"{kind}k", f"{kind}pattern"),
            (f"free {kind}q", f"free {kind}k", f"free {kind}pattern"),
            _scores(kind),
            f"the scores of {kind}q and {kind}k, before position encoding, do not make the pattern",
            _SINGLE,
        ),
        Identity(
            f"{kind}pattern {kind}v = {kind}z",
            (f"{kind}v", f"{kind}pattern"),
            (f"{kind}z",),
            _values(kind),
            f"the pattern's mean of {kind}v, head by head, is not {kind}z",
            _SINGLE,
        ),
        Identity(
            f"{kind}z projected = {added}",
            (f"{kind}z",),
            (added,),
            _projected(f"{kind}z", added),
            f"the output projection of {kind}z is not {added}",
        ),
    )


_IDENTITIES = (
    Identity(
        "v = its projection of attn_in",
        ("attn_in",),
        ("v",),
        _made("v", "attn_in"),
        "the projection that makes v does not read attn_in",
    ),
    Identity(
        "v = its projection of latent",
        ("latent",),
        ("v",),
        _made("v", "latent"),
        "the projection that makes v does not read latent",
    ),
    Identity(
        "latent = attn_in compressed",
        ("attn_in",),
        ("latent", "compressed"),
        _compressed,
        "attn_in, compressed, is not latent",
    ),
    Identity(
        "cross_q = its projection of cross_in",
        ("cross_in",),
        ("cross_q",),
        _made("cross_q", "cross_in"),
        "the projection that makes cross_q does not read cross_in",
    ),
    *(identity for kind in KINDS for identity in _attending(kind)),
    Identity(
        "conv_in = its projection of mixer_in",
        ("mixer_in",),
        ("conv_in",),
        _made("conv_in", "mixer_in"),
        "the projection that makes conv_in does not read mixer_in",
    ),
    Identity(
        "ssm_in = convolved conv_in",
        ("conv_in", "ssm_in"),
        (),
        state_space.convolved,
        "the convolution of conv_in, activated, is not ssm_in",
    ),
    Identity(
        "mixer_act = gated scan of ssm_in",
        ("ssm_in", "gate"),
        ("mixer_act",),
        state_space.gated,
        "the state space's scan of ssm_in, gated, is not mixer_act",
        _SINGLE,
    ),
    Identity(
        "ssm_out = scan of conv_in",
        ("conv_in", "ssm_out"),
        ("mixer_in",),
        state_space.scanned,
        "the state space's scan of conv_in, convolved, is not ssm_out",
        _SINGLE,
    ),
    Identity(
        "mixer_act = gated ssm_out",
        ("gate", "ssm_out"),
        ("mixer_act",),
        state_space.normed,
        "ssm_out, gated and normed, is not mixer_act",
        _SINGLE,
    ),
    Identity(
        "mixer_act projected = mixer_out",
        ("mixer_act",),
        ("mixer_out",),
        _projected("mixer_act", "mixer_out"),
        "the output projection of mixer_act is not mixer_out",
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
