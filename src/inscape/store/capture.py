"""One shard: the activations of a run of examples, in one pass over batches of near-equal length.

For each batch the model is asked for all sites at the positions wanted and nothing else leaves it. Rows land in
(example, position) order whatever the order of computing. ``reduce = "mean"`` averages an example's positions in
float64. Values that are NaN or infinite are counted by site; where float16 would turn a finite value into infinity the
shard is refused.

Cost: one forward pass over the padded tokens of the shard's distinct inputs; memory of the shard's vectors plus one
batch's activations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from inscape.core.errors import StoreError
from inscape.core.site import Site
from inscape.store import plan
from inscape.store.columns import TORCH
from inscape.store.inputs import Inputs, by_position


@dataclass
class Shard:
    """The rows of one run of examples.

    Attributes:
        example: index of the example of each row, (rows,) int64.
        position: position of each row (of the last one averaged, where averaged), (rows,) int32.
        token: token id at that position, (rows,) int32; −1 where inputs are not tokens.
        vectors: site → (rows, width) on the CPU, in the dtype of the disk.
        nonfinite: site → how many of its values are NaN or infinite; sites without any are left out.
    """

    example: np.ndarray
    position: np.ndarray
    token: np.ndarray
    vectors: dict[Site, Tensor]
    nonfinite: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.example)


def widths(model, inputs: Inputs, sites: Sequence[Site]) -> dict[Site, int]:
    """The width of every site, from the shortest example; a site that has no vector at each position is refused."""
    found = model.run(inputs.batch(model, [int(inputs.lengths.argmin())]), capture=list(sites))
    return {site: int(by_position(model, site, found).shape[-1]) for site in sites}


def capture(
    model,
    inputs: Inputs,
    sites: Sequence[Site],
    span: tuple[int, int],
    *,
    wide: dict[Site, int],
    dtype: str,
    budget: int,
    overhead: int,
    nonfinite: str,
    report: Callable[[int, int], None],
) -> Shard:
    """The rows of examples ``span[0]`` to ``span[1]``.

    Args:
        model: runs batches; see `inscape.model.model.Model`.
        inputs: what is fed in and which positions are kept.
        sites: what is captured.
        span: half-open range of examples.
        wide: width of each site.
        dtype: ``float32``, ``bfloat16`` or ``float16``: what is kept.
        budget: padded tokens a batch.
        overhead: what a pass costs besides, in tokens; see `inscape.store.plan`.
        nonfinite: ``"refuse"`` or ``"keep"``.
        report: called after each batch with the rows and padded tokens it made.

    Raises:
        StoreError: NaN or infinity (unless kept), or a value that float16 cannot hold; named with site and example.
    """
    examples = np.arange(*span)
    first, which = plan.unique(inputs.keys(span))
    distinct = examples[first]
    ends = np.cumsum(inputs.rows[distinct])
    held = {site: torch.empty(int(ends[-1]), wide[site], dtype=TORCH[dtype]) for site in sites}
    flagged: set[Site] = set()
    for chosen in plan.batches_by_length(inputs.lengths[distinct], budget, overhead):
        members = distinct[chosen]
        where = torch.from_numpy(_runs(ends[chosen] - inputs.rows[members], inputs.rows[members]))
        for site, x in _run(model, inputs, members, sites).items():
            if _unfit(site, x, members, dtype, nonfinite):
                flagged.add(site)
            held[site][where] = x.to("cpu", TORCH[dtype])
        report(len(where), int(inputs.lengths[members].max()) * len(members))
    if len(first) < len(examples):
        fan = torch.from_numpy(_runs((ends - inputs.rows[distinct])[which], inputs.rows[examples]))
        held = {site: x[fan] for site, x in held.items()}
        report(len(fan) - int(ends[-1]), 0)
    return Shard(
        np.repeat(examples, inputs.rows[examples]),
        np.concatenate([inputs.kept(i) for i in range(*span)]).astype(np.int32),
        np.concatenate([inputs.ids(i) for i in range(*span)]).astype(np.int32),
        held,
        {str(site): int((~torch.isfinite(held[site])).sum()) for site in sites if site in flagged},
    )


def _runs(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The integers of several runs, one after the other: start, start + 1 … of each."""
    before = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))


def _run(model, inputs: Inputs, members: np.ndarray, sites: Sequence[Site]) -> dict[Site, Tensor]:
    """One forward pass: site → (rows, width), members in order."""
    kept = [inputs.positions(i) for i in members.tolist()]
    counts = np.array([len(k) for k in kept])
    at = np.zeros((len(members), max(1, int(counts.max()))), dtype=np.int64)
    for row, positions in enumerate(kept):
        at[row, : len(positions)] = positions
    real = torch.from_numpy(np.arange(at.shape[1])[None] < counts[:, None])
    asked = torch.from_numpy(at)
    found = model.run(inputs.batch(model, members), capture=list(sites), at=asked if inputs.text else None)
    return {site: _rows(by_position(model, site, found), inputs, asked, real) for site in sites}


def _rows(x: Tensor, inputs: Inputs, asked: Tensor, real: Tensor) -> Tensor:
    """(batch, positions, width) → (rows, width): the real positions in order, or their mean."""
    if inputs.reduce == "mean":
        if not inputs.text:
            return x.double().mean(1)
        real = real.to(x.device)
        return torch.where(real[..., None], x, 0).double().sum(1) / real.sum(1, keepdim=True)
    if not inputs.text:
        x = x[torch.arange(len(x))[:, None], asked]
    return x[:, 0] if x.shape[1] == 1 and bool(real.all()) else x[real.to(x.device)]


def _unfit(site: Site, x: Tensor, members: np.ndarray, dtype: str, nonfinite: str) -> bool:
    """Whether values are NaN or infinite; refuses them unless kept, and always what the disk's dtype cannot hold."""
    limit = torch.finfo(TORCH[dtype]).max
    if not x.numel() or float(x.abs().amax()) <= limit:  # a NaN makes the comparison false
        return False
    wrong = ~torch.isfinite(x)
    if wrong.any() and nonfinite == "refuse":
        raise StoreError(
            f"{int(wrong.sum())} activations of {site} are NaN or infinite in the batch with example {int(members[0])}; "
            "open the model in float32, or pass nonfinite='keep' to store them as they are."
        )
    largest = float(torch.where(wrong, 0, x).abs().amax())
    if largest > limit:
        raise StoreError(
            f"{site} reaches {largest:.6g}, and {dtype} ends at {limit:.6g}; harvest with dtype='float32'"
            f"{' or bfloat16' if dtype == 'float16' else ''}."
        )
    return bool(wrong.any())
