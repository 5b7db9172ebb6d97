"""One shard: the activations of a run of examples, pass by pass as `inscape.store.forward_passes`
lays them out.

For each pass the model is asked for all sites at the positions wanted and nothing else leaves it.
Positions of a shared prefix come from the prefix's own pass. Rows land in (example, position) order
whatever the order of computing. ``reduce = "mean"`` averages an example's positions in float64.
Values that are NaN or infinite are counted by site; where float16 would turn a finite value into
infinity the shard is refused (`inscape.store.shard_buffer`).

Cost: one forward pass over the padded tokens of the shard; memory of the shard's vectors plus one
batch's activations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from inscape.core.batch import moved
from inscape.core.site import Site
from inscape.model import prefix as prefixes
from inscape.store.duplicates import concatenated_ranges
from inscape.store.forward_passes import ForwardPass, forward_passes
from inscape.store.inputs import Inputs, by_position
from inscape.store.rows_alone import refuse_dependent
from inscape.store.shard_buffer import ShardBuffer

#: points whose tensors are the residual stream, or what is read from or added to it: as wide as the
# configuration says
_STREAM = (
    "embed",
    "resid_pre",
    "attn_in",
    "attn_out",
    "resid_mid",
    "mlp_in",
    "mlp_out",
    "resid_post",
    "final_norm",
)


@dataclass
class Shard:
    """The rows of one run of examples.

    Attributes:
        example: index of the example of each row, (rows,) int64.
        position: position of each row (of the last one averaged, where averaged), (rows,) int32.
        token: token id at that position, (rows,) int32; −1 where inputs are not tokens.
        vectors: site → (rows, width) on the CPU, in the dtype of the disk.
        nonfinite: site → how many of its values are NaN or infinite; sites without any are left
            out.
    """

    example: np.ndarray
    position: np.ndarray
    token: np.ndarray
    vectors: dict[Site, Tensor]
    nonfinite: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.example)


def widths(model, inputs: Inputs, sites: Sequence[Site]) -> dict[Site, int]:
    """The width of every site; a site that has no vector at each position is refused.

    Those of the residual stream of a text model are read from its configuration, others learnt once
    a model, and once a size of arrays, from the shortest example.
    """
    kept = model.notes.setdefault("widths", {})
    first = int(inputs.lengths.argmin())
    known: dict[Site, int] = kept.setdefault(
        None if inputs.text else _size(model, inputs, first), {}
    )
    if inputs.text and model.family is not None:
        known.update(
            {site: int(model.atlas.config.hidden_size) for site in sites if site.point in _STREAM}
        )
    if unknown := [site for site in sites if site not in known]:
        found = model.run(inputs.batch(model, [first]), capture=unknown)
        known.update({site: int(by_position(model, site, found).shape[-1]) for site in unknown})
    return {site: known[site] for site in sites}


def _size(model, inputs: Inputs, example: int) -> tuple[tuple[str, torch.Size], ...]:
    """The names and sizes of an example's arrays."""
    batch = inputs.batch(model, [example])
    return tuple((name, x.shape[1:]) for name, x in sorted(batch.inputs.items()))


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
        overhead: what a pass costs besides, in tokens; see `inscape.store.sharding`.
        nonfinite: ``"refuse"`` or ``"keep"``.
        report: called after each batch with the rows and padded tokens it made.

    Raises:
        ModelError: a row depends on the examples beside it; see `inscape.store.rows_alone`.
        StoreError: NaN or infinity (unless kept), or a value that float16 cannot hold; named with
            site and example.
    """
    counts = inputs.rows[slice(*span)]
    ends = np.cumsum(counts)
    buffer = ShardBuffer(
        {site: wide[site] for site in sites}, int(ends[-1]), dtype, nonfinite == "refuse"
    )
    for step in forward_passes(inputs, span, budget, overhead):
        own = step.members - span[0]
        where = concatenated_ranges(ends[own] - counts[own], counts[own])
        run = _behind if step.rows else _whole
        made = run(model, inputs, step, sites, budget)
        refuse_dependent(model, inputs, step, sites, made, _whole)
        buffer.put(made, torch.from_numpy(where), inputs.number(int(step.members[0])))
        report(len(where), step.tokens)
    buffer.finish()
    held = buffer.held
    return Shard(
        np.repeat(np.arange(*span), counts),
        np.concatenate([inputs.kept(i) for i in range(*span)]).astype(np.int32),
        np.concatenate([inputs.ids(i) for i in range(*span)]).astype(np.int32),
        held,
        {
            str(site): int((~torch.isfinite(held[site])).sum())
            for site in sites
            if site in buffer.flagged
        },
    )


def _whole(
    model, inputs: Inputs, step: ForwardPass, sites: Sequence[Site], _budget: int = 0
) -> dict[Site, Tensor]:
    """A pass of whole examples: site → (rows, width), members in order."""
    kept = [inputs.positions(i) for i in step.members.tolist()]
    asked = _padded(kept)
    batch = inputs.batch(model, step.members)
    found = model.run(
        batch, capture=list(sites), at=torch.from_numpy(asked) if inputs.text else None
    )
    out = {}
    for site in sites:
        x = by_position(model, site, found)
        if inputs.text:
            spots = [np.arange(len(k)) + row * x.shape[1] for row, k in enumerate(kept)]
        elif inputs.reduce == "mean":
            out[site] = x.double().mean(
                1
            )  # of all the positions it has, which may be another site's or not
            continue
        else:
            spots = [k + row * x.shape[1] for row, k in enumerate(kept)]
        out[site] = _rows(x.flatten(0, 1), spots, inputs.reduce)
    return out


def _behind(
    model, inputs: Inputs, step: ForwardPass, sites: Sequence[Site], budget: int
) -> dict[Site, Tensor]:
    """A pass of what follows shared prefixes: site → (rows, width), members in order.

    Rows are looked up in one table a site: those kept of the prefixes, then those of this pass.
    """
    sharing = inputs.sharing
    assert sharing is not None
    held = sharing.held(model, sorted({row.which for row in step.rows}), sites, budget)
    first, base = {}, 0  # where the rows kept of each prefix begin
    for which in held:
        first[which], base = base, base + len(sharing.common[which].kept)
    rows: list[prefixes.Row] = []
    asked: list[np.ndarray] = []
    places: list[tuple[int, np.ndarray, np.ndarray]] = []
    for row in step.rows:
        common, length = sharing.common[row.which], held[row.which].length
        after = [inputs.tokens[i].ids[length:] for i in row.members.tolist()]
        starts = np.concatenate([[0], np.cumsum([len(ids) for ids in after])])
        rows.append(prefixes.Row(held[row.which], after))
        wanted: list[np.ndarray] = []
        count = 0
        for start, i in zip(starts, row.members.tolist(), strict=False):
            at = inputs.positions(i)
            own = at[at >= length] - length + start
            shared = first[row.which] + np.searchsorted(common.kept, at[at < length])
            places.append((len(asked), shared, np.arange(count, count + len(own))))
            wanted.append(own)
            count += len(own)
        asked.append(np.concatenate(wanted))
    at = _padded(asked)
    found = prefixes.resume(model, rows, sites, torch.from_numpy(at))
    spots = [
        np.concatenate([shared, base + row * at.shape[1] + own]) for row, shared, own in places
    ]
    out = {}
    for site in sites:
        parts = [
            by_position(model, site, held[which].activations)[0]
            for which in held
            if len(sharing.common[which].kept)
        ]
        table = by_position(model, site, found).flatten(0, 1)
        out[site] = _rows(torch.cat([*parts, table]) if parts else table, spots, inputs.reduce)
    return out


def _padded(lists: Sequence[np.ndarray]) -> np.ndarray:
    """Lists of positions as one array, the short ones filled up with 0; at least one position
    wide.
    """
    out = np.zeros((len(lists), max(1, *map(len, lists))), dtype=np.int64)
    for row, values in enumerate(lists):
        out[row, : len(values)] = values
    return out


def _rows(table: Tensor, spots: Sequence[np.ndarray], reduce: str) -> Tensor:
    """Rows of a table (entries, width) for each example, one after another, or the mean of each
    example's.
    """
    if reduce == "mean":
        real = np.arange(max(map(len, spots)))[None] < np.array([len(s) for s in spots])[:, None]
        chosen = table[_on(table, _padded(spots))]
        kept = _on(table, real)
        return torch.where(kept[..., None], chosen, 0).double().sum(1) / kept.sum(1, keepdim=True)
    chosen_flat = np.concatenate(spots)
    if len(chosen_flat) == len(table) and np.array_equal(chosen_flat, np.arange(len(table))):
        return table
    return table.index_select(0, _on(table, chosen_flat))


def _on(x: Tensor, index: np.ndarray) -> Tensor:
    """An index on a tensor's device, without waiting for it."""
    return moved(torch.from_numpy(index), x.device)
