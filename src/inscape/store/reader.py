"""Reading a store's files: any range of rows, or any rows, of any column, and nothing else.

A column of a shard lies in one file, or in several in the order of their rows. Rows that are asked
for one by one are read in runs: what lies between two of them is read along where that is cheaper
than another reading.

Cost: one reading a shard and column for a range; for scattered rows at most one a row, of a row's
bytes and the gaps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from inscape.store import manifest as manifests
from inscape.store import shard_files
from inscape.store.disk_dtypes import decode_float32
from inscape.store.storage import Storage


class Piece(NamedTuple):
    """Rows of one column in one file: those of the store from `first` on."""

    first: int
    file: str
    column: shard_files.Column


class Reader:
    """The files that a manifest names.

    Args:
        place: where they are.
        manifest: names them.
    """

    def __init__(self, place: Storage, manifest: manifests.Manifest):
        self.place, self.manifest = place, manifest
        counts = [shard["rows"] for shard in manifest["shards"]]
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
        self._layouts: dict[str, dict[str, shard_files.Column]] = {}

    def spans(
        self, name: str, width: int, spans: list[tuple[int, int]], dtype: Any = np.float32
    ) -> np.ndarray:
        """Ranges of rows of a column, one after the other, (rows, width).

        Raises:
            OSError: a file is missing or too short.
            ValueError: a file is damaged, or has no such column.
        """
        # looked for before memory is taken: a manifest may say what its files do not have
        found = [list(self._pieces(name, width, start, stop)) for start, stop in spans]
        out = np.empty((sum(b - a for a, b in spans), width), dtype=dtype)
        jobs: list[tuple[Piece, int, np.ndarray]] = []
        done = 0
        for (start, stop), pieces in zip(spans, found, strict=True):
            for piece in pieces:
                low, high = max(start, piece.first), min(stop, piece.first + piece.column.rows)
                jobs.append((piece, low, out[done + low - start : done + high - start]))
            done += stop - start
        self.place.each(lambda job: self._fetch(*job), jobs)
        return out

    def rows(self, name: str, width: int, rows: np.ndarray) -> np.ndarray:
        """Some rows of a column in the order given, (k, width) float32; raises as `spans` does."""
        wanted, back = np.unique(rows, return_inverse=True)
        if not len(wanted):
            return np.empty((0, width), dtype=np.float32)
        runs: list[tuple[Piece, int, int]] = []
        for piece in self._pieces(name, width, int(wanted[0]), int(wanted[-1]) + 1):
            low, high = np.searchsorted(wanted, [piece.first, piece.first + piece.column.rows])
            gap = 1 + self.place.gap // piece.column.row_bytes
            cuts = low + 1 + np.flatnonzero(np.diff(wanted[low:high]) > gap)
            ends = [int(low), *cuts.tolist(), int(high)]
            runs += [(piece, a, b) for a, b in itertools.pairwise(ends) if b > a]
        out = np.empty((len(wanted), width), dtype=np.float32)

        def fetch(run: tuple[Piece, int, int]) -> None:
            piece, a, b = run
            first, last = int(wanted[a]), int(wanted[b - 1])
            if last - first == b - a - 1:
                self._fetch(piece, first, out[a:b])
                return
            some = np.empty((last - first + 1, width), dtype=np.float32)
            self._fetch(piece, first, some)
            out[a:b] = some[wanted[a:b] - first]

        self.place.each(fetch, runs)
        return out if np.array_equal(wanted, rows) else out[back]

    def files(self, number: int) -> dict[str, dict[str, shard_files.Column]]:
        """The files of one shard and the columns of each."""
        return {file: self._layout(file) for file in self.manifest["shards"][number]["files"]}

    def _pieces(self, name: str, width: int, start: int, stop: int) -> Iterator[Piece]:
        """Where the rows of a column lie, of the shards that hold `start` to `stop`."""
        if stop <= start:
            return
        if stop > self._starts[-1]:
            raise ValueError(f"its shards have {self._starts[-1]} rows and not {stop}")
        low = int(np.searchsorted(self._starts, start, side="right")) - 1
        high = int(np.searchsorted(self._starts, stop, side="left"))
        for number in range(low, high):
            first = int(self._starts[number])
            for file in self.manifest["shards"][number]["files"]:
                column = self._layout(file).get(name)
                if column is None:
                    continue
                if column.width != width:
                    raise ValueError(
                        f"{file} has a column {name} of width {column.width}, not {width}"
                    )
                if first < stop and first + column.rows > start:
                    yield Piece(first, file, column)
                first += column.rows
            if first != self._starts[number + 1]:
                raise ValueError(f"shard {number} lacks rows of the column {name}")

    def _fetch(self, piece: Piece, first: int, out: np.ndarray) -> None:
        column = piece.column
        start = column.start + (first - piece.first) * column.row_bytes
        if column.numpy == out.dtype:
            self.place.fill(piece.file, start, memoryview(out.reshape(-1).view(np.uint8)))
            return
        raw = np.empty(out.shape, dtype=column.numpy)
        self.place.fill(piece.file, start, memoryview(raw.reshape(-1).view(np.uint8)))
        decode_float32(raw, out)

    def _layout(self, file: str) -> dict[str, shard_files.Column]:
        if file not in self._layouts:
            try:
                key, columns = shard_files.layout(
                    lambda start, length: self.place.read(file, start, length)
                )
            except ValueError as error:
                raise ValueError(f"{file}: {error}") from None
            if key != self.manifest["key"]:
                raise ValueError(f"{file} is of another store")
            self._layouts[file] = columns
        return self._layouts[file]
