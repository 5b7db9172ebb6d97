"""Path patching: what one part of a network tells another *directly*, everything between them held
as it was.

For pairs of texts of equal length, `base` and `source`, a sender (an attention head, an attention
or MLP output, the embedding) gets what it has in `source`, all other parts keep what they have in
`base`. In a residual stream that is a sum, the receiver then reads

    h_R ← h_R(base) + Δ,      Δ = out_s(source) − out_s(base)          at the sender's positions

and nothing else of it changes. A receiver is the final norm (``to="logits"``: the direct effect on
the answer), or an input inside: the queries, keys or values of heads, what an attention or an MLP
reads, the stream before a block. What it would have read is worked out in its own block alone; then
the base is run with that put in and everything behind it free:

    value = m(base, receiver's input ← what it reads with Δ)

With the clean text as base this is noising: what the answer needs of the path; with the corrupted
one, denoising: what is enough. Where nothing lies between sender and receiver it is activation
patching; in a linear network the direct effects of all first steps of a path sum to the whole
effect of the sender.

Cost: one block a head for Δ; to the logits nothing more but the readout; else one block and the
pass from the receiver's block on for each cell, many cells in a batch.
Reference: Goldowsky-Dill et al. (2023), arXiv:2304.05969; Wang et al. (2022), arXiv:2211.00593,
appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inscape.control.patching import BUDGET, Metric, PatchMap, common_length, counted
from inscape.core.batch import Tokens
from inscape.core.edit import Edit, Replace, Scope
from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.skip import begun_at
from inscape.model.unembed import Readout

SENDERS = ("embed", "z", "attn_out", "mlp_out")
RECEIVERS = ("q", "k", "v", "attn_in", "mlp_in", "resid_pre", "resid_post")


@dataclass(frozen=True)
class PathEffects:
    """What each sender did along the path, all its positions patched at once.

    Attributes:
        senders: names of the sites, (s,).
        values: the metric with the path patched, (s, n).
        base: the metric of the base runs, (n,).
        source: the metric of the source runs, (n,).
    """

    senders: tuple[str, ...]
    values: Float[np.ndarray, "s n"]
    base: Float[np.ndarray, " n"]
    source: Float[np.ndarray, " n"]

    @property
    def effect(self) -> Float[np.ndarray, " s"]:
        """Mean change over pairs, as a share of the mean way from base to source."""
        return (self.values - self.base).mean(axis=1) / (self.source - self.base).mean()


def path_map(
    model: Model,
    base: Sequence[Tokens],
    source: Sequence[Tokens],
    senders: str | Site | Sequence[str | Site],
    metric: Metric,
    *,
    to: str | Site | Sequence[str | Site] = "logits",
    positions: Sequence[int] | None = None,
    at: Sequence[int] | None = None,
    budget: int = BUDGET,
) -> PatchMap:
    """The metric for every sender and position whose path to the receivers is patched alone.

    Args:
        model: a causal language model whose residual stream is a sum.
        base: texts that are run.
        source: for each, the text that the sender's output is taken from; all of one length.
        senders: ``z.5.3`` (a head), ``z.5`` (all heads of a layer), ``attn_out.*``, ``mlp_out.*``,
            ``embed``.
        metric: of the logits at the last token.
        to: ``"logits"``, or receivers: ``q.7.2``, ``k.7``, ``v.7.0``, ``attn_in.7``, ``mlp_in.7``,
            ``resid_pre.7``; several are patched together.
        positions: of the senders; all by default.
        at: positions at which the receivers read what is patched; all by default. To the logits it
            is the last token.
        budget: padded tokens a batch.

    Returns:
        The map: sites are the senders.

    Raises:
        ValueError: texts of different lengths, a site that cannot send or receive, a sender behind
            every receiver, a position that is not there.
        ModelError: a residual stream that is no sum.
    """
    length = common_length(base, source)
    where = counted(positions, length)
    found = _Paths(
        model,
        base,
        source,
        senders,
        to,
        counted(at, length) if at is not None else None,
        metric,
        budget,
    )
    return PatchMap(found.names, tuple(where), found.values([[p] for p in where]), *found.ends)


def path_effects(
    model: Model,
    base: Sequence[Tokens],
    source: Sequence[Tokens],
    senders: str | Site | Sequence[str | Site],
    metric: Metric,
    *,
    to: str | Site | Sequence[str | Site] = "logits",
    positions: Sequence[int] | None = None,
    at: Sequence[int] | None = None,
    budget: int = BUDGET,
) -> PathEffects:
    """The metric for every sender with its path patched at all `positions` together; arguments as
    in `path_map`.
    """
    length = common_length(base, source)
    found = _Paths(
        model,
        base,
        source,
        senders,
        to,
        counted(at, length) if at is not None else None,
        metric,
        budget,
    )
    return PathEffects(found.names, found.values([counted(positions, length)])[:, 0], *found.ends)


class _Paths:
    """The two plain runs, and what every cell makes of them."""

    def __init__(
        self,
        model: Model,
        base: Sequence[Tokens],
        source: Sequence[Tokens],
        senders: str | Site | Sequence[str | Site],
        to: str | Site | Sequence[str | Site],
        at: Sequence[int] | None,
        metric: Metric,
        budget: int,
    ) -> None:
        if (
            model.family is None
            or model.family.residual != "sum"
            or model.family.adds != ("attn_out", "mlp_out")
        ):
            raise ModelError(
                f"{model.name}: paths are followed through a residual stream that is a sum, and "
                "this model has none of attentions and MLPs alone"
            )
        self.model, self.base, self.metric, self.at = model, base, metric, at
        self.length, self.rows = len(base[0]), max(1, budget // len(base[0]))
        self.depth = len(model.atlas.blocks)
        self.senders, self.receivers = _of(model, senders, SENDERS, "send"), self._received(to)
        self.names = tuple(map(str, self.senders))
        last = max((_stage(site) for site in self.receivers), default=(self.depth, 0))
        if behind := [str(s) for s in self.senders if _stage(s) >= last]:
            raise ValueError(
                f"path patching: {', '.join(behind)} is computed after all that is to receive it; "
                "name later receivers"
            )
        heads = {s.layer for s in self.senders if s.point == "z"}
        layers = sorted(heads | {s.layer for s in self.receivers})  # type: ignore[type-var]
        added = sorted(heads | {s.layer for s in self.receivers if s.point == "mlp_in"})  # type: ignore[type-var]
        wanted = [*(Site("resid_pre", i) for i in layers), *(Site("attn_out", i) for i in added)]
        wanted += [*self.senders, Site("resid_post", self.depth - 1)]
        self.plain = model.run(model.collate(base), list(dict.fromkeys(wanted)), logits=True)
        self.given = model.run(model.collate(source), self.senders, logits=True)
        every = np.arange(len(base))
        self.ends = [_numbers(metric(run.logits[:, -1], every)) for run in (self.plain, self.given)]  # type: ignore[index]

    def values(self, sets: Sequence[Sequence[int]]) -> Float[np.ndarray, "s p n"]:
        """The metric for every sender, set of positions and pair."""
        n = len(self.base)
        out = np.tile(self.ends[0], (len(self.senders), len(sets), 1))
        masks = torch.zeros(len(sets), self.length, dtype=torch.bool, device=self.model.device)
        for j, positions in enumerate(sets):
            masks[j, list(positions)] = True
        # the logits at the last token are read from its stream alone, so no other position has a
        # direct path to them
        alive = [j for j in range(len(sets)) if self.receivers or masks[j, -1]]
        for i, site in enumerate(self.senders):
            change = self._change(site)
            cells = np.array([(j, k) for j in alive for k in range(n)], dtype=np.int64).reshape(
                -1, 2
            )
            for start in range(0, len(cells), self.rows):
                part = cells[start : start + self.rows]
                which, pairs = torch.from_numpy(part[:, 0]), torch.from_numpy(part[:, 1])
                delta = torch.where(masks[which][..., None], change[pairs], 0)
                logits = (
                    self._received_by_others(site, delta, pairs)
                    if self.receivers
                    else self._answer(delta, pairs)
                )
                out[i, part[:, 0], part[:, 1]] = _numbers(self.metric(logits, part[:, 1]))
        return out

    def _change(self, site: Site) -> Float[Tensor, "n t d"]:
        """What the sender adds to the stream in the source, less what it adds in the base."""
        if site.point != "z":
            return self.given[site] - self.plain[site]
        added = Site("attn_out", site.layer)
        with begun_at(self.model, site.layer or 0, self.plain[Site("resid_pre", site.layer)]):
            edit = Replace(Scope(str(site)), self.given[site])
            return (
                self.model.run(self.model.collate(self.base), added, edits=edit)[added]
                - self.plain[added]
            )

    def _answer(self, delta: Float[Tensor, "b t d"], pairs: Tensor) -> Float[Tensor, "b v"]:
        """Logits at the last token with the sender's change in the stream that the final norm
        reads.
        """
        stream = self.plain[Site("resid_post", self.depth - 1)][pairs, -1] + delta[:, -1]
        with torch.no_grad():
            return Readout.of(self.model)(stream)

    def _received_by_others(
        self, sender: Site, delta: Float[Tensor, "b t d"], pairs: Tensor
    ) -> Float[Tensor, "b v"]:
        """Logits at the last token with the receivers' inputs as they are under the sender's
        change.
        """
        batch = self.model.collate([self.base[int(k)] for k in pairs])
        edits: list[Edit] = []
        for layer in sorted({s.layer or 0 for s in self.receivers}):
            here = [s for s in self.receivers if s.layer == layer and _stage(sender) < _stage(s)]
            edits += self._read(sender, layer, here, delta, pairs, batch) if here else []
        first = min(s.layer or 0 for s in self.receivers)
        at = torch.full((len(pairs), 1), self.length - 1)
        with begun_at(self.model, first, self.plain[Site("resid_pre", first)][pairs]):
            found = self.model.run(batch, edits=edits, logits=True, at=at).logits
        assert found is not None
        return found[:, 0]

    def _read(
        self,
        sender: Site,
        layer: int,
        here: Sequence[Site],
        delta: Tensor,
        pairs: Tensor,
        batch: object,
    ) -> list[Edit]:
        """What the receivers of one block read, as edits that put it there."""
        before = _stage(sender) < (layer, 0)
        stream = self.plain[Site("resid_pre", layer)][pairs] + (delta if before else 0)
        values = {s: stream for s in here if s.point == "resid_pre"}
        if inner := [s for s in here if s.point != "resid_pre"]:
            edits: list[Edit] = []
            if any(s.point == "mlp_in" for s in inner):
                attention = Site("attn_out", layer)
                edits = [
                    Replace(
                        Scope(str(attention)),
                        self.plain[attention][pairs] + (0 if before else delta),
                    )
                ]
            with begun_at(self.model, layer, stream):
                values |= self.model.run(batch, inner, edits=edits)  # type: ignore[arg-type]
        positions = "all" if self.at is None else tuple(self.at)
        return [Replace(Scope(str(s), positions), x) for s, x in values.items()]

    def _received(self, to: str | Site | Sequence[str | Site]) -> list[Site]:
        """The receivers; none where it is the logits."""
        last = Site("resid_post", self.depth - 1)
        if str(to) == "logits":
            return []
        found = _of(self.model, to, (*RECEIVERS, "logits"), "receive")
        if last in found or Site("logits") in found:
            if len(found) > 1:
                raise ValueError(
                    "path patching: the logits receive alone; ask for the other receivers in a "
                    "call of theirs"
                )
            return []
        nxt = [
            Site("resid_pre", (s.layer or 0) + 1) if s.point == "resid_post" else s for s in found
        ]
        return list(dict.fromkeys(nxt))


def _of(
    model: Model, named: str | Site | Sequence[str | Site], may: Sequence[str], verb: str
) -> list[Site]:
    found = model.select(named)
    if wrong := [str(s) for s in found if s.point not in may]:
        raise ValueError(
            f"path patching: {', '.join(wrong)} cannot {verb}; name sites among {', '.join(may)}"
        )
    return found


def _stage(site: Site) -> tuple[int, int]:
    """When a sender has written, or a receiver reads: an MLP reads what the attention of its block
    has written.
    """
    if site.point == "embed":
        return (-1, 0)
    return (site.layer or 0, {"mlp_in": 1, "mlp_out": 1}.get(site.point, 0))


def _numbers(x: Tensor) -> Float[np.ndarray, " n"]:
    return x.detach().double().cpu().numpy()
