"""Activation patching: put what one run has at a site and a position into another run, and see what
the answer becomes.

For pairs of texts of equal length, `base` and `source`, and a metric of the logits at the last
token (a difference of two answers' logits, say), a cell (site, position) of the map is the metric
of `base` with that one activation taken from `source`. As a share of the whole way from base to
source,

    effect = (m(base ← source at the cell) − m(base)) / (m(source) − m(base))

With the corrupted text as base and the clean one as source this is denoising: what is enough to
restore the answer; the other way round it is noising: what is needed. Attribution patching is its
first-order estimate for all cells at once, ∂m/∂h · (h_source − h_base), two passes and one
backward; where the metric bends it is wrong, so check the top cells.

Cost: cells × pairs runs, many in one batch and none of them computing the layers before its own.
Reference: Meng et al. (2022), arXiv:2202.05262 (causal tracing); Zhang and Nanda (2023),
arXiv:2309.16042; Nanda (2023) and Syed et al. (2023), arXiv:2310.10348, for attribution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.batch import Tokens
from inscape.core.edit import Edit, Scope
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.skip import begun_at

#: logits at the last token (batch, vocabulary) and the pairs they belong to (batch,) → a number
# each
Metric = Callable[[Tensor, np.ndarray], Tensor]
#: tokens a batch, padded
BUDGET = 2048


@dataclass(frozen=True)
class PatchMap:
    """What patching each cell did.

    Attributes:
        sites: names of the sites, (s,).
        positions: token positions, (p,).
        values: the metric with the cell patched, (s, p, n).
        base: the metric of the base runs, (n,).
        source: the metric of the source runs, (n,).
    """

    sites: tuple[str, ...]
    positions: tuple[int, ...]
    values: Float[np.ndarray, "s p n"]
    base: Float[np.ndarray, " n"]
    source: Float[np.ndarray, " n"]

    @property
    def effect(self) -> Float[np.ndarray, "s p"]:
        """Mean change over pairs, as a share of the mean way from base to source: 1 is all of
        it.
        """
        return (self.values - self.base).mean(axis=2) / (self.source - self.base).mean()


@dataclass(frozen=True)
class _Cells(Edit):
    """Row r of the batch gets ``values[r]`` at ``positions[r]``."""

    rows: Tensor = field(default_factory=lambda: torch.zeros(1))
    positions: Tensor = field(default_factory=lambda: torch.zeros(1))
    values: Tensor = field(default_factory=lambda: torch.zeros(1))

    def apply(self, h: Tensor) -> Tensor:
        out = h.clone()
        out[self.rows, self.positions] = self.values.to(h)
        return out


def patch_map(
    model: Model,
    base: Sequence[Tokens],
    source: Sequence[Tokens],
    sites: str | Site | Sequence[str | Site],
    metric: Metric,
    *,
    positions: Sequence[int] | None = None,
    budget: int = BUDGET,
    progress: Callable[[int, int], None] | None = None,
) -> PatchMap:
    """The metric for every site and position patched alone.

    Args:
        model: a causal language model.
        base: texts that are run.
        source: for each, the text whose activation is put in; all of one length.
        sites: what is patched: ``resid_pre.*``, ``attn_out.*``, ``mlp_out.*``, ``z.5.*`` for heads
            …
        metric: of the logits at the last token.
        positions: which; all by default.
        budget: padded tokens a batch.
        progress: called after each batch with (runs done, runs in all).

    Returns:
        The map.

    Raises:
        ValueError: texts of different lengths, another number of sources, a position that is not
            there.
    """
    length = common_length(base, source)
    where = counted(positions, length)
    wanted = model.select(sites)
    layers = sorted({s.layer or 0 for s in wanted})
    last = torch.full((len(base), 1), length - 1)
    streams = [f"resid_pre.{layer}" for layer in layers]
    plain = model.run(model.collate(base), list(dict.fromkeys(streams)), logits=True)
    given = model.run(model.collate(source), wanted, logits=True)
    n = len(base)
    ends = [
        metric(run.logits[:, -1], np.arange(n)).double().cpu().numpy() for run in (plain, given)
    ]
    values = np.empty((len(wanted), len(where), n))
    most, done = max(1, budget // length), 0
    for layer in layers:
        here = [i for i, s in enumerate(wanted) if (s.layer or 0) == layer]
        cells = np.array([(i, j, k) for i in here for j in range(len(where)) for k in range(n)])
        for start in range(0, len(cells), most):
            part = cells[start : start + most]
            pairs = part[:, 2]
            edits = [
                _patch(wanted[i], part, i, where, given[wanted[i]])
                for i in here
                if (part[:, 0] == i).any()
            ]
            batch = model.collate([base[k] for k in pairs])
            with begun_at(model, layer, plain[f"resid_pre.{layer}"][torch.from_numpy(pairs)]):
                out = model.run(batch, edits=edits, logits=True, at=last[:1].expand(len(part), 1))
            values[part[:, 0], part[:, 1], pairs] = (
                metric(out.logits[:, 0], pairs).double().cpu().numpy()
            )
            done += len(part)
            if progress is not None:
                progress(done, values.size)
    return PatchMap(tuple(map(str, wanted)), tuple(where), values, *ends)


def attribution_map(
    model: Model,
    base: Sequence[Tokens],
    source: Sequence[Tokens],
    sites: str | Site | Sequence[str | Site],
    metric: Metric,
) -> PatchMap:
    """The first-order estimate of `patch_map` at every position, in two passes and one backward."""
    length = common_length(base, source)
    wanted, rows = model.select(sites), np.arange(len(base))
    given = model.run(model.collate(source), wanted, logits=True)
    plain = model.run(
        model.collate(base), wanted, grad_of=lambda logits: metric(logits[:, -1], rows).sum()
    )
    start, end = (metric(run.logits[:, -1], rows).double().cpu().numpy() for run in (plain, given))
    change = [
        ((given[s] - plain[s]).double() * plain.grads[s].double()).sum(-1).T.cpu().numpy()
        for s in wanted
    ]
    return PatchMap(
        tuple(map(str, wanted)), tuple(range(length)), np.stack(change) + start, start, end
    )


def _patch(site: Site, part: np.ndarray, index: int, where: Sequence[int], given: Tensor) -> _Cells:
    rows = np.flatnonzero(part[:, 0] == index)
    spots = np.asarray(where)[part[rows, 1]]
    values = given[torch.from_numpy(part[rows, 2]), torch.from_numpy(spots)]
    return _Cells(Scope(str(site)), torch.from_numpy(rows), torch.from_numpy(spots), values)


def counted(positions: Sequence[int] | None, length: int) -> list[int]:
    """Positions counted from the first token of so many; all by default.

    Raises:
        ValueError: one that is not there.
    """
    where = (
        list(range(length))
        if positions is None
        else [p + length if p < 0 else p for p in positions]
    )
    if not all(0 <= p < length for p in where):
        raise ValueError(
            f"patching: positions must be within the {length} tokens, got {list(positions or ())}"
        )
    return where


def common_length(base: Sequence[Tokens], source: Sequence[Tokens]) -> int:
    """The one length of all texts of pairs; refused where there is none, for positions then do not
    correspond.
    """
    if len(base) != len(source) or not base:
        raise ValueError(
            f"patching: {len(base)} base and {len(source)} source texts; give one source for each "
            "base"
        )
    lengths: Int[np.ndarray, " n"] = np.array([len(t) for t in [*base, *source]])
    if len(set(lengths.tolist())) > 1:
        raise ValueError(
            f"patching: texts have {lengths.min()} to {lengths.max()} tokens; positions only "
            "correspond in texts of one length: choose words with as many tokens, or patch each "
            "length apart"
        )
    return int(lengths[0])
