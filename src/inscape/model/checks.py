"""The items of a certificate, each one measurement on the checkpoint at hand.

Differences are relative and per position: ``max over positions of ‖a − b‖ / ‖b‖``. Norms count, not
cosines: a tensor that is collinear with the right one and of another length is the wrong tensor.
Tolerances: 1e-4 in float32, 1e-8 in float64, 5e-2 in bfloat16, 1e-2 in float16.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from inscape.core.batch import Batch, Tokens, tokenize
from inscape.core.errors import DataError, ModelError, SiteError
from inscape.core.site import Site
from inscape.model import checkpoint_files, parts
from inscape.model.blank import blank
from inscape.model.family import ADDED
from inscape.model.hooks import Pass
from inscape.model.invocation import Fed, feeding, invocation
from inscape.model.item import Item, difference
from inscape.model.modes import evaluating
from inscape.model.network import Network
from inscape.model.norms import gain
from inscape.model.unembed import logit_factor
from inscape.model.within_thread import own_hook

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8, torch.bfloat16: 5e-2, torch.float16: 1e-2}
TEXTS = (
    "Paris.",
    "The river rises in the mountains and runs to the sea.",
    (
        "In 1687, after years of work, he published a book, which few could read; it changed how "
        "everyone saw the sky."
    ),
)


#: tokens of the longest row that is measured: longer ones would take longer than opening the model
LONG = 512


#: tokens of a decoder, where it has a text beside it
DECODED = 7

NORMED = Site("final_norm")


def run_all(model: Network) -> Iterator[Item]:
    """Every item that applies to a model, in order."""
    tolerance = TOLERANCE.get(model.dtype, 1e-4)
    if model.family is None:
        yield Item(
            "family",
            False,
            0.0,
            0.0,
            (),
            (
                "no family is known: there are only module:PATH sites, and nothing to compare them "
                "with"
            ),
        )
        return
    examples = examples_of(model)
    residual = [s for s in model.sites if s.point in ("embed", "resid_post")]
    full = [s for s in model.sites if not s.point.endswith("pattern") and s.point != "logits"]
    single, missing = _captured(model, examples[-1], full)
    if missing:
        # what all others are measured against
        lost = any(s.point in ("embed", "resid_pre", "resid_post", "final_norm") for s in missing)
        yield Item(
            "every site is computed",
            False,
            float(len(missing)),
            0.0,
            ("*",) if lost else tuple(map(str, missing)),
            next(iter(missing.values())),
        )
        if lost:
            return
    if damaged := [str(s) for s in single if not bool(torch.isfinite(single[s]).all())]:
        # every other item compares numbers, and would blame something else
        yield Item(
            "finite",
            False,
            float("inf"),
            0.0,
            ("*",),
            f"NaN or infinite values from {damaged[0]} on: {_DAMAGED}",
        )
        return
    yield _repeats(single, model.run(examples[-1], residual), residual)
    if model.kind == "text":
        yield _batch_is_single(model, residual, single, tolerance)
        yield from _padding(model, residual, tolerance)
        yield from _beyond(model, residual, tolerance)
    with _fed(model, examples[-1]):
        stream = list(_plain_forward(model, examples[-1], single, tolerance))
        sums = _identity(model, single, tolerance, _named_in(stream))
        yield sums.item
        yield from parts.measure(model, examples[-1], single, tolerance, sums.unproven)
        yield from stream
        yield from _carried(model, examples[-1], tolerance)
    yield from _norms(model)


#: what a layout or a module makes of a tensor that it is not for
_UNFIT = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)
_DAMAGED = (
    "a weight is damaged, or the dtype overflows; fetch the checkpoint again, or open it in float32"
)


def _captured(
    model: Network, batch: Batch, sites: Sequence[Site]
) -> tuple[Mapping[Site, Tensor], dict[Site, str]]:
    """What one pass gives at all sites, and the sites at which the table names no tensor, with the
    reason.
    """
    found: dict[Site, Tensor] = {}
    missing: dict[Site, str] = {}
    try:
        together = model.run(batch, sites)
        found = {site: together[site] for site in sites}
    except (SiteError, *_UNFIT):
        for site in sites:
            try:
                # the pass goes on behind it, so that a module that is called again is seen
                found[site] = model.run(batch, [site, sites[-1]])[site]
            except (SiteError, *_UNFIT) as error:
                missing[site] = str(error)
        try:
            model.run(batch, list(found) or sites)
        except (SiteError, *_UNFIT) as error:  # alone each could be had, and together none
            return {}, dict.fromkeys(sites, str(error))
    for site, x in list(found.items()):
        if x.ndim != 3:
            missing[site] = f"{site} has shape {tuple(x.shape)}, not (batch, positions, width)"
            del found[site]
    return found, missing


def examples_of(model: Network) -> list[Batch]:
    """What is measured on: three texts, each a batch, or one batch of noise where texts are not
    what is fed.
    """
    if model.kind == "text":
        return [_batch(model, [t]) for t in tokens_of(model)]
    draw = torch.Generator().manual_seed(0)
    inputs = blank(model, 2 if model.kind == "image" else 1, draw)
    if "decoder_input_ids" in inputs:
        inputs["decoder_input_ids"] = _decoded(model, 1)
    return [Batch(inputs)]


def _batch(model: Network, tokens: Sequence[Tokens]) -> Batch:
    """Texts as a batch; a decoder that reads their encoder gets tokens of its own, the same for
    every text.
    """
    batch = model.collate(tokens)
    if model.family is None or not model.family.decoder:
        return batch
    own = {"decoder_input_ids": _decoded(model, len(tokens))}
    return Batch({**batch.inputs, **own}, batch.lengths)


def _decoded(model: Network, rows: int) -> Tensor:
    rng, size = np.random.default_rng(2), int(model.atlas.config.vocab_size)
    ids = rng.integers(min(3, size - 1), size, size=DECODED)
    return torch.from_numpy(ids)[None].expand(rows, -1).clone().to(model.device)


def tokens_of(model: Network) -> list[Tokens]:
    """Three short texts, or token ids drawn at random where there is no tokenizer or none that
    knows their letters.

    They are cut to what the model takes, or treats alike, where that is less. Where an adapter
    waits for tokens, all but the first hold them.
    """
    most, waits = _most(model), invocation(model.net)
    first, *others = _drawn(model)
    return [_cut(t, most) for t in (first, *(_invoking(t, waits) for t in others))]


def _invoking(tokens: Tokens, waits: tuple[int, ...]) -> Tokens:
    """Tokens with those that an adapter waits for in their middle."""
    if not waits:
        return tokens
    middle = len(tokens) // 2
    ids = np.concatenate([tokens.ids[:middle], np.array(waits, np.int64), tokens.ids[middle:]])
    return Tokens(ids, np.zeros((len(ids), 2), np.int64), np.zeros(len(ids), bool))


def _fed(model: Network, batch: Batch) -> AbstractContextManager[Any]:
    """A block in which the network's own modules are called on what a pass of this batch gave."""
    told = Fed(batch.inputs.get("input_ids"), batch.lengths, Pass(len(batch), batch.lengths))
    return feeding(model.net, told)


def _most(model: Network) -> int:
    """How many tokens a model takes, or treats alike; a thousand where it does not say."""
    limits = [n for n in (model.max_positions, model.switches.first) if n is not None]
    return max(1, min(limits, default=1000))


def _cut(tokens: Tokens, most: int) -> Tokens:
    return Tokens(tokens.ids[:most], tokens.offsets[:most], tokens.special[:most], tokens.text)


def _drawn(model: Network) -> list[Tokens]:
    if model.tokenizer is not None:
        with suppress(DataError):  # a vocabulary that has none of these letters
            found = tokenize(model.tokenizer, TEXTS)
            if min(len(tokens) for tokens in found) > 1:  # of one token attention says nothing
                return found
    rng, vocabulary = np.random.default_rng(0), int(model.atlas.config.vocab_size)
    ids = [rng.integers(min(3, vocabulary - 1), vocabulary, size=n) for n in (2, 9, 17)]
    return [
        Tokens(i.astype(np.int64), np.zeros((len(i), 2), np.int64), np.zeros(len(i), bool))
        for i in ids
    ]


def _repeats(
    first: Mapping[Site, Tensor], second: Mapping[Site, Tensor], sites: Sequence[Site]
) -> Item:
    worst = max(difference(second[s], first[s]) for s in sites)
    reason = (
        "two runs of the same input differ: dropout, noise or state is active; put the "
        "network in evaluation mode"
    )
    return Item("repeatable", worst <= 1e-6, worst, 1e-6, ("*",), "" if worst <= 1e-6 else reason)


def _batch_is_single(
    model: Network, sites: Sequence[Site], single: Mapping[Site, Tensor], tolerance: float
) -> Item:
    tokens = tokens_of(model)
    together = model.run(_batch(model, tokens), sites)
    alone = [model.run(_batch(model, [t]), sites) for t in tokens[:-1]] + [single]
    worst = max(
        difference(together[site][i, : len(t)], alone[i][site][0, : len(t)])
        for i, t in enumerate(tokens)
        for site in sites
    )
    reason = _of_the_batch(model) or (
        "an example gives other activations in a batch than alone: padding shifts its positions or "
        "is attended to; pad on the right, or pass position ids"
    )
    return Item(
        "batched = single",
        worst <= tolerance,
        worst,
        tolerance,
        ("*",),
        "" if worst <= tolerance else reason,
    )


def _of_the_batch(model: Network) -> str:
    """Why an example depends on its batch in a network whose weights are packed; empty for any
    other.
    """
    wrapped = (type(p).__name__ for p in model.net.parameters() if is_traceable_wrapper_subclass(p))
    how = next(wrapped, None) or checkpoint_files.quantised(model.atlas.config)
    if how is None:
        return ""
    return (
        f"this network is quantised ({how}), and what it computes of an example depends on the "
        "others in its batch: its activations are rounded, by scales or to sides of a threshold "
        "that are of the batch; open the network as it was before it was quantised"
    )


def _padding(model: Network, sites: Sequence[Site], tolerance: float) -> Iterator[Item]:
    most = _most(model)
    if most < 2:
        return  # nothing can be padded
    tokens = tokens_of(model)
    short, longest = _cut(tokens[0], most // 2), tokens[-1]
    twice = (np.concatenate([getattr(longest, f)] * 2) for f in ("ids", "offsets", "special"))
    filler = _cut(Tokens(*twice), most)
    alone = model.run(_batch(model, [short]), sites)
    padded = model.run(_batch(model, [short, filler]), sites)
    n = len(short)
    worst = max(difference(padded[s][0, :n], alone[s][0, :n]) for s in sites)
    reason = _of_the_batch(model) or (
        "the same text gives other activations under more padding: positions shift or pads are "
        "attended to (left padding without position ids does this); pad on the right"
    )
    passed = worst <= tolerance
    name = "padding changes nothing"
    yield Item(name, passed, worst, tolerance, ("*",), "" if passed else reason)


def _beyond(model: Network, sites: Sequence[Site], tolerance: float) -> Iterator[Item]:
    """Batched = single past each length at which the configuration changes what is computed, as far
    as that is short.
    """
    config, most = model.atlas.config, min(LONG, model.max_positions or LONG)
    named = {getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")}
    named |= {*model.switches.sides, *model.switches.each}
    rng, size = np.random.default_rng(1), int(config.vocab_size)
    for length in sorted(n for n in named if isinstance(n, int) and 0 < n <= most - 4):
        ids = rng.integers(min(3, size - 1), size, size=(2, length + 4))
        tokens = [
            Tokens(i.astype(np.int64), np.zeros((len(i), 2), np.int64), np.zeros(len(i), bool))
            for i in ids
        ]
        together = model.run(_batch(model, tokens), sites)
        alone = [model.run(_batch(model, [t]), sites) for t in tokens]
        worst = max(difference(together[s][i], alone[i][s][0]) for i in (0, 1) for s in sites)
        reason = (
            f"beyond {length} tokens, where the configuration changes what is computed, an example "
            "gives other activations in a batch than alone; harvest examples of one length"
        )
        passed = worst <= tolerance
        name = f"batched = single beyond {length} tokens"
        yield Item(name, passed, worst, tolerance, ("*",), "" if passed else reason)


@dataclass(frozen=True)
class _Sums:
    """What the sums of a residual stream gave: the item, and the parts that no sum of sound tensors
    has shown.
    """

    item: Item
    unproven: frozenset[Site]


def _named_in(items: Sequence[Item]) -> frozenset[str]:
    """The sites that failed items name."""
    return frozenset(site for item in items if not item.passed for site in item.sites)


def _identity(
    model: Network, acts: Mapping[Site, Tensor], tolerance: float, wrong: frozenset[str]
) -> _Sums:
    """The stream before, with what is added to it, is the stream after; each sum is normalised in
    post-norm families.

    Where the stream between two parts of a block is no site of it (they are computed in parallel),
    they are added together. A sum of tensors of which one is wrong shows nothing, and one of
    several parts does not show which is which: two that were exchanged have the same sum.

    Args:
        model: the model.
        acts: what was captured.
        tolerance: of its dtype.
        wrong: the sites of the stream that another item has found wrong.
    """
    assert model.family is not None
    family = model.family
    worst, bad, reasons, unproven = 0.0, [], [], set()
    for layer, block in enumerate(model.atlas.blocks):
        get = {p: acts[Site(p, layer)] for p in family.points if Site(p, layer) in acts}
        start, waiting, sound = "resid_pre", [], f"resid_pre.{layer}" not in wrong
        norms = iter(family.norms)
        for point in family.adds:
            waiting.append(point)
            if ADDED[point] not in get:
                continue
            end = ADDED[point]
            norm = block.get_submodule(next(norms)) if family.residual == "post-norm" else None
            parts_added = [get[p] for p in waiting if p in get]
            if len(parts_added) == len(waiting):
                name = " + ".join(waiting)
                gap, reason = _half(get[start], parts_added, get[end], norm, name, layer)
            else:
                absent = next(p for p in waiting if p not in get)
                gap, reason = float("inf"), f"{absent}.{layer} is not computed, so no sum shows it"
            worst = max(worst, gap)
            if gap > tolerance:
                reasons.append(reason)
                bad += [f"{p}.{layer}" for p in (*waiting, "resid_mid", "resid_cross") if p in get]
            elif not sound or f"{end}.{layer}" in wrong or len(waiting) > 1:
                unproven |= {Site(p, layer) for p in waiting if p in get}
            start, waiting, sound = end, [], gap <= tolerance
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    reason = reasons[0] + more if reasons else ""
    item = Item("residual identity", not bad, worst, tolerance, tuple(dict.fromkeys(bad)), reason)
    return _Sums(item, frozenset(unproven))


def _half(
    start: Tensor, given: list[Tensor], end: Tensor, norm: nn.Module | None, name: str, layer: int
) -> tuple[float, str]:
    if other := [x for x in (start, *given) if x.shape != end.shape]:
        said = (
            f"{name}.{layer} has shape {tuple(given[0].shape)}, or is added to "
            f"{tuple(other[0].shape)}"
        )
        return float("inf"), f"{said}; the residual stream has {tuple(end.shape)}"
    added = torch.stack(given).sum(0) if len(given) > 1 else given[0]
    with torch.no_grad():
        total = start + added if norm is None else norm(start + added)
        within = added if norm is None else norm(added)
    gap = difference(total, end)
    # measured against what is added, not against the stream, which may be a hundred times longer
    if norm is None:
        change = (end.double() - start.double()).norm(dim=-1)
        floor = torch.finfo(start.dtype).eps * end.double().norm(dim=-1)
        gap = float(
            (
                (total.double() - end.double()).norm(dim=-1)
                / (change + 100 * floor).clamp_min(1e-12)
            ).max()
        )
    if difference(within, end) < 1e-3:
        return (
            gap,
            f"{name}.{layer} already contains the residual stream: it equals what leaves the sum",
        )
    return (
        gap,
        (
            f"{name}.{layer} is not what the layer adds to the residual stream (off by {gap:.2g} "
            "of the change)"
        ),
    )


def _plain_forward(
    model: Network, batch: Batch, acts: Mapping[Site, Tensor], tolerance: float
) -> Iterator[Item]:
    """Captured tensors against the network's own ``hidden_states``; its logits against the
    unembedding of the last norm.
    """
    net, head, norm, after = model.net, model.atlas.head, model.atlas.final_norm, model.atlas.after
    assert model.family is not None
    runner = net if head is not None else model.atlas.runs
    family, depth = model.family, len(model.atlas.blocks)
    out = states = None
    for whole in dict.fromkeys((runner, model.atlas.runs)):
        seen = _Seen()
        try:
            with evaluating(net), torch.no_grad(), _seeing(model, seen):
                out = whole(**_taken(whole, batch.inputs))
        except _UNFIT as error:  # parts of other dtypes, say; what is inside may be sound
            reason = f"the network's own forward pass does not run ({error})"
            lost = ("logits",) if model.atlas.head is not None else ()
            yield Item("its forward pass runs", False, float("inf"), 0.0, lost, reason)
            continue
        states = getattr(out, "decoder_hidden_states" if family.decoder else "hidden_states", None)
        yield from _stream(model, seen, acts, tolerance)
        head = head if whole is runner else None
        break
    if states is not None and len(states) == depth + 1:
        names = [Site("resid_post", i) for i in range(depth)]
        names = [Site("embed"), *names] if family.states == "embed" else [*names, NORMED]
        gaps = {
            site: difference(acts[site], state) for site, state in zip(names, states, strict=True)
        }
        # what enters a block: no sum alone says which of its parts is wrong
        entering = [acts[Site("embed")], *states[1 if family.states == "embed" else 0 :]]
        gaps = {
            **{
                Site("resid_pre", i): difference(acts[Site("resid_pre", i)], entering[i])
                for i in range(depth)
            },
            **gaps,
        }
        if after is not None:
            read = names[-1] if norm is None else NORMED
            gaps.pop(names[-1])
            gaps[read] = _gap(after, acts[read], states[-1])
        elif norm is not None and names[-1] != NORMED and gaps[names[-1]] > tolerance:
            # most architectures record their last state after the last norm, some before it
            del gaps[names[-1]]
            gaps[NORMED] = difference(acts[NORMED], states[-1])
        bad = tuple(str(s) for s, gap in gaps.items() if gap > tolerance)
        worst = max(gaps.values())
        reason = (
            (
                f"{', '.join(bad[:3])} is not the network's own hidden state; the family's table "
                "is wrong for it"
            )
            if bad
            else ""
        )
        yield Item("captured = hidden_states", not bad, worst, tolerance, bad, reason)
    else:
        yield _handed_on(model, acts, tolerance)
    if norm is not None:
        last = acts[Site("resid_post", len(model.atlas.blocks) - 1)]
        gap = _gap(norm, last, acts[NORMED])
        passed = gap <= tolerance
        reason = "" if passed else "the last norm does not read resid_post of the last block"
        yield Item("last norm reads the stream", passed, gap, tolerance, ("final_norm",), reason)
    if out is not None and head is not None and (model.kind == "text" or family.decoder):
        read = NORMED if norm is not None else Site("resid_post", depth - 1)
        logits = out if isinstance(out, Tensor) else out.logits
        yield _unembedding(model, head, acts[read], logits, tolerance)


def _taken(whole: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    """What a network is called with: inputs, and the question for its hidden states. A forward that
    takes no other names is given neither that nor a mask of ones.
    """
    given = {**inputs, "output_hidden_states": True}
    names = inspect.signature(whole.forward).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in names.values()):
        return given
    left = {"output_hidden_states"}
    mask = inputs.get("attention_mask")
    left |= {"attention_mask"} if mask is not None and bool((mask != 0).all()) else set()
    return {name: x for name, x in given.items() if name in names or name not in left}


def _carried(model: Network, batch: Batch, tolerance: float) -> Iterator[Item]:
    """What PEFT's own model gives is what the network inside it gives: nothing of an adapter is
    left out.
    """
    given = model.given
    if given is model.net or not hasattr(given, "peft_config"):
        return
    name, inputs = "network inside = PEFT's model", batch.to(model.device).inputs
    try:
        with evaluating(given), torch.no_grad():
            whole, inside = _first(given(**inputs)), _first(model.net(**inputs))
        gap = difference(inside, whole) if inside.shape == whole.shape else float("inf")
        reason = (
            "PEFT's model gives something else than the network inside it, so part of the "
            "adapter would be left out"
        )
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        gap, reason = float("inf"), f"PEFT's model does not run ({error})"
    passed = gap <= tolerance
    yield Item(name, passed, gap, tolerance, ("*",), "" if passed else reason)


def _first(out: Any) -> Tensor:
    values = [out] if isinstance(out, Tensor) else out.to_tuple()
    return next(x for x in values if isinstance(x, Tensor))


@dataclass
class _Seen:
    """What the network's own forward pass showed of its blocks, whatever the table says of them.

    Attributes:
        calls: the blocks in the order in which they were called, and what stands in a list beside
            one.
        taken: the tensor that each call was given first.
        given: the tensor that each call gave first.
    """

    calls: list[nn.Module] = field(default_factory=list)
    taken: list[Tensor] = field(default_factory=list)
    given: list[Tensor] = field(default_factory=list)


@contextmanager
def _seeing(model: Network, seen: _Seen) -> Iterator[None]:
    """A block in which every call of a block, or of one that stands in a list beside it, is
    noted.
    """
    blocks = model.atlas.blocks
    kinds, own = {type(block) for block in blocks}, {id(block) for block in blocks}
    lists = [m for m in model.atlas.body.modules() if isinstance(m, nn.ModuleList)]
    beside = [m for each in lists if any(id(m) in own for m in each) for m in each]
    noted = {id(m): m for m in (*beside, *blocks) if type(m) in kinds}

    def note(module: nn.Module, args: tuple[Any, ...], named: Mapping[str, Any], out: Any) -> None:
        seen.calls.append(module)
        seen.taken.append(_leading([*args, *named.values()]).clone())
        seen.given.append(_leading(out.values() if isinstance(out, dict) else [out, *out]).clone())

    handles = [m.register_forward_hook(own_hook(note), with_kwargs=True) for m in noted.values()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _leading(values: Iterable[Any]) -> Tensor:
    return next(x for x in values if isinstance(x, Tensor))


def _stream(
    model: Network, seen: _Seen, acts: Mapping[Site, Tensor], tolerance: float
) -> Iterator[Item]:
    """The table's blocks are those that are called, in order and none left out; what they take and
    give is the stream.
    """
    blocks = model.atlas.blocks
    same = [id(m) for m in seen.calls] == [id(m) for m in blocks]
    reason = (
        f"{len(seen.calls)} calls of blocks were seen, which are not the table's {len(blocks)} in "
        "their order, so the number of a layer would say nothing"
    )
    name = "blocks are called in order"
    yield Item(name, same, float(not same), 0.0, ("*",), "" if same else reason)
    if not same:
        return
    gaps = {}
    for point, values in (("resid_pre", seen.taken), ("resid_post", seen.given)):
        for layer, value in enumerate(values):
            site = Site(point, layer)
            gaps[site] = difference(acts[site], value)
    bad = tuple(str(site) for site, gap in gaps.items() if gap > tolerance)
    reason = f"{', '.join(bad[:3])} is not what the block takes or gives" if bad else ""
    yield Item(
        "stream = what blocks take and give", not bad, max(gaps.values()), tolerance, bad, reason
    )


def _gap(make: Callable[[Tensor], Tensor], x: Tensor, right: Tensor) -> float:
    """How far what a module makes of a tensor is from the right one; infinite where it takes no
    such tensor.
    """
    try:
        with torch.no_grad():
            return difference(make(x), right)
    except _UNFIT:
        return float("inf")


def _handed_on(model: Network, acts: Mapping[Site, Tensor], tolerance: float) -> Item:
    """What leaves a block enters the next, but between stages, where a network's own states tell
    nothing of its blocks.
    """
    first = Site("resid_pre", 0)
    worst = difference(acts[first], acts[Site("embed")])
    bad = [str(first)] if worst > TOLERANCE.get(model.dtype, 1e-4) else []
    for layer in range(len(model.atlas.blocks) - 1):
        pair = Site("resid_post", layer), Site("resid_pre", layer + 1)
        left, entered = (acts[site] for site in pair)
        if left.shape == entered.shape:
            gap = difference(left, entered)
            worst = max(worst, gap)
            bad += [str(site) for site in pair] if gap > tolerance else []
    reason = f"{', '.join(bad[:2])}: what leaves a block is not what enters the next" if bad else ""
    return Item("resid_post enters the next", not bad, worst, tolerance, tuple(bad), reason)


def _unembedding(
    model: Network, head: nn.Module, normed: Tensor, logits: Tensor, tolerance: float
) -> Item:
    after = model.atlas.after

    def unembedded(x: Tensor) -> Tensor:
        ours = logit_factor(model.atlas.config) * head(x if after is None else after(x))
        ours = ours + getattr(model.net, "final_logits_bias", 0.0)
        cap = getattr(model.atlas.config, "final_logit_softcapping", None)
        return cap * torch.tanh(ours / cap) if cap else ours

    gap, same = _gap(unembedded, normed, logits), False
    if gap < float("inf"):
        with torch.no_grad():
            chosen = unembedded(normed).argmax(-1, keepdim=True)
        # the likeliest entry is the same; entries that differ by less than rounding may change
        # places
        lost = (logits.amax(-1) - logits.gather(-1, chosen)[..., 0]) / logits.abs().amax(
            -1
        ).clamp_min(1e-12)
        same = bool((lost <= tolerance).all())
    passed = same and gap <= tolerance
    reason = (
        "the unembedding of the last norm is not the model's logits: a norm has been folded into "
        "other weights, or the head reads something else; open the original checkpoint"
    )
    return Item(
        "unembedding = logits",
        passed,
        gap,
        tolerance,
        ("final_norm", "logits") if model.atlas.final_norm is not None else ("logits",),
        "" if passed else reason,
    )


def _norms(model: Network) -> Iterator[Item]:
    """A norm folded into the next layer leaves a weight of exactly one beside weights that have
    been trained.
    """
    assert model.family is not None
    norms = [
        (n, m) for n, m in model.atlas.body.named_modules() if "norm" in type(m).__name__.lower()
    ]
    weights = [m.weight for _, m in norms if isinstance(getattr(m, "weight", None), Tensor)]
    if not weights or _looks_untrained(model):
        return
    folded = sum(_is_neutral(m) for _, m in norms)
    share = folded / len(weights)
    points = {s.point for s in model.sites}
    sites = tuple(p for p in ("attn_in.*", "mlp_in.*", "final_norm") if p.split(".")[0] in points)
    reason = (
        f"{folded} of {len(weights)} norms multiply by exactly 1 beside trained weights: they were "
        "folded into the next layer; open the original checkpoint"
    )
    yield Item("norms as trained", share == 0, share, 0.0, sites, "" if share == 0 else reason)


def _is_neutral(norm: nn.Module) -> bool:
    """Whether a norm multiplies by one; Gemma's, for one, spell that as a weight of zero."""
    weight = getattr(norm, "weight", None)
    if not isinstance(weight, Tensor):
        return False
    if not bool((weight == weight.flatten()[0]).all()):
        return False  # whatever it is spelt as, it is not the same number everywhere
    try:
        return bool((gain(norm) == 1).all())
    except (ModelError, ValueError, RuntimeError):  # not known, or one over positions too
        return bool((weight == 1).all())


def _looks_untrained(model: Network) -> bool:
    """Whether every bias is zero and the matrices still have the spread they are drawn with.

    That is what the configuration says; or, where parts are drawn by rules of their own (T5, CLIP,
    Mamba), what these rules give now: a bias that they draw need not be zero.
    """
    config, block = model.atlas.config, model.atlas.blocks[0]
    if any(
        not p.is_floating_point() or is_traceable_wrapper_subclass(p) for p in block.parameters()
    ):
        # they are quantised: their spread cannot be seen, and nothing is said of the norms
        return True
    spread = float(
        getattr(config, "initializer_range", None) or getattr(config, "init_std", None) or 0.02
    )
    biases = [p for n, p in model.atlas.body.named_parameters() if n.endswith("bias")]
    if abs(_spread(block) / spread - 1) < 0.35 and not any(bool(b.any()) for b in biases):
        return True
    draw = getattr(model.net, "_init_weights", None)
    if draw is None:
        return False
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        fresh = copy.deepcopy(block).apply(draw)
    drawn = {n for n, p in fresh.named_parameters() if bool(p.any())}
    set_since = any(
        bool(p.any()) for n, p in block.named_parameters() if n.endswith("bias") and n not in drawn
    )
    return not set_since and abs(_spread(block) / _spread(fresh) - 1) < 0.35


def _spread(block: nn.Module) -> float:
    """The median of its matrices' standard deviations: output projections are often drawn
    narrower.
    """
    matrices = [p for _, p in block.named_parameters() if p.ndim == 2]
    return float(np.median([float(m.detach().std()) for m in matrices]))
