"""The vectors of the shard being computed, copied from the device without keeping it waiting.

Sites of one width are one block: its largest magnitudes are found on the device, it is rounded to
the dtype of the disk there, and copied to pinned memory beside the next pass. What a pass made is
looked at only when the next one has been asked for, so no pass waits for the host. Where the
network is on the CPU there is nothing to wait for, and rows go to their places at once.

Cost: the shard's vectors, and on a device one pass's more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from inscape.core.errors import StoreError
from inscape.core.site import Site
from inscape.store.disk_dtypes import TORCH_DTYPES


class _Block(NamedTuple):
    """Rows of sites of one width: on the device, and on their way."""

    sites: list[Site]
    rows: Tensor
    peaks: Tensor
    copy: Tensor
    peaks_copy: Tensor


class _PendingPass(NamedTuple):
    """What one pass made: its blocks, their places, its first example, and when they have
    arrived.
    """

    blocks: list[_Block]
    where: Tensor
    example: int
    arrived: torch.cuda.Event | None


class ShardBuffer:
    """Collects the vectors of a shard, pass by pass.

    Args:
        wide: width of each site.
        rows: rows of the shard.
        dtype: of the disk.
        refuse: whether a NaN or infinity is refused.

    Attributes:
        held: site → (rows, width) on the CPU in the dtype of the disk; complete after `finish`.
        flagged: the sites that have a NaN or infinity.
    """

    def __init__(self, wide: dict[Site, int], rows: int, dtype: str, refuse: bool) -> None:
        self.held = {
            site: torch.empty(rows, width, dtype=TORCH_DTYPES[dtype])
            for site, width in wide.items()
        }
        self.flagged: set[Site] = set()
        self._dtype, self._refuse = dtype, refuse
        self._pending: _PendingPass | None = None

    def put(self, found: dict[Site, Tensor], where: Tensor, example: int) -> None:
        """Send one pass's rows on their way, and put those of the pass before in their places.

        Args:
            found: site → (rows, width), on the device.
            where: the places of those rows, (rows,) int64.
            example: the first example that they are of, for messages.

        Raises:
            StoreError: NaN or infinity in the pass before (unless kept), or a value that the disk's
                dtype cannot hold.
        """
        widths: dict[int, list[Site]] = {}
        for site, x in found.items():
            widths.setdefault(x.shape[1], []).append(site)
        blocks = (
            [self._copied(sites, [found[site] for site in sites]) for sites in widths.values()]
            if len(where)
            else []
        )
        on_device = any(block.rows.is_cuda for block in blocks)
        arrived = torch.cuda.Event() if on_device else None
        if arrived is not None:
            arrived.record()
        before, self._pending = self._pending, _PendingPass(blocks, where, example, arrived)
        self._store(before)
        if arrived is None:
            self.finish()

    def finish(self) -> None:
        """Put the last rows in their places; raises as `put` does."""
        before, self._pending = self._pending, None
        self._store(before)

    def _copied(self, sites: list[Site], parts: Sequence[Tensor]) -> _Block:
        rows = torch.stack(list(parts))
        peaks = rows.abs().amax((1, 2))  # NaN where there is one
        kept = rows.to(TORCH_DTYPES[self._dtype])
        if not rows.is_cuda:
            return _Block(sites, rows, peaks, kept.cpu(), peaks.cpu())
        copies = [_pinned(x) for x in (kept, peaks)]
        for copy, x in zip(copies, (kept, peaks), strict=True):
            copy.copy_(x, non_blocking=True)
        return _Block(sites, rows, peaks, copies[0], copies[1])

    def _store(self, pending: _PendingPass | None) -> None:
        if pending is None:
            return
        if pending.arrived is not None:
            pending.arrived.synchronize()  # of the copies alone: the pass that follows goes on
        limit = torch.finfo(TORCH_DTYPES[self._dtype]).max
        for block in pending.blocks:
            fit = (block.peaks_copy <= limit).tolist()  # a NaN makes the comparison false
            for i, site in enumerate(block.sites):
                if not fit[i]:
                    self._check(site, block.rows[i], pending.example, limit)
                self.held[site][pending.where] = block.copy[i]

    def _check(self, site: Site, x: Tensor, example: int, limit: float) -> None:
        """Refuse NaN and infinity, unless kept, and always what the disk's dtype cannot hold."""
        wrong = ~torch.isfinite(x)
        if wrong.any() and self._refuse:
            raise StoreError(
                f"{int(wrong.sum())} activations of {site} are NaN or infinite in the batch with "
                f"example {example}; open the model in float32, or pass nonfinite='keep' to store "
                "them as they are."
            )
        largest = float(torch.where(wrong, 0, x).abs().amax())
        if largest > limit:
            raise StoreError(
                f"{site} reaches {largest:.6g}, and {self._dtype} ends at {limit:.6g}; harvest "
                "with dtype='float32'"
                f"{' or bfloat16' if self._dtype == 'float16' else ''}."
            )
        if wrong.any():
            self.flagged.add(site)


def _pinned(x: Tensor) -> Tensor:
    """Memory of the host that a device can copy to while both go on."""
    return torch.empty(x.shape, dtype=x.dtype, pin_memory=True)
