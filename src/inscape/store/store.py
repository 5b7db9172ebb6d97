"""Store: one harvest, read by column, from a folder or an object store.

One row is one (example, position), in that order; one column is one site. Examples that are the
same input share the rows that are kept of it (`inscape.store.duplicates`), and each has them when
they are read. A store is ``manifest.json`` (see `inscape.store.manifest`), ``data/`` with a file a
shard (see `inscape.store.shard_files`), and the table of the examples. Files are never changed once
written, so nothing a writer does later moves under a reader.

Cost: `matrix` reads its own column only, once, into the array it gives back; `batches` holds a
handful of blocks, never a column, and reads ahead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float32, Shaped

from inscape.core.errors import StoreError, suggest
from inscape.core.foreign import foreign
from inscape.core.item_rows import row_numbers
from inscape.core.shown import Shown, some
from inscape.core.site import Site, translate
from inscape.data.arrow_messages import check_messages
from inscape.store import manifest as manifests
from inscape.store.add import add_sites
from inscape.store.duplicates import COLUMN, expand_rows
from inscape.store.reader import Reader
from inscape.store.row_batches import Block, Spans, in_order, shuffled
from inscape.store.rows import INDEX
from inscape.store.storage import Storage, storage_at
from inscape.store.verify import verify

_BLOCK_BYTES = (
    4 << 20
)  # what one read of a block takes, per site: long enough to stream, short enough to mix
_MAGIC = 8  # bytes before the stream in an Arrow file
_POOL = 8  # blocks mixed at a time when shuffling


class Store:
    """A finished harvest, opened for reading.

    Args:
        path: the folder or URL that `inscape.store.harvest.harvest` wrote.

    Attributes:
        path: that folder, or URL.
        place: the same, as what is read from.
        manifest: everything recorded of it: recipe, sites, certificate, versions, shards and their
            hashes.

    Raises:
        StoreError: nothing there, not a store, unfinished, damaged, or of another format.
        ObjectError: a bucket that cannot be reached, or denies it.
    """

    def __init__(self, path: str | Path | Storage):
        self.place = storage_at(path)
        self.path = self.place.path
        self.refresh()

    @classmethod
    def open(cls, path: str | Path | Storage) -> Store:
        """Open a finished store."""
        return cls(path)

    def refresh(self) -> Store:
        """Look again: see what was added since."""
        manifest = manifests.read(self.place)
        cure = "`inscape verify` says what is damaged; delete the store and harvest again"
        with foreign(StoreError, f"the store at {self.path} cannot be read", cure):
            self._take_in(manifest)
        return self

    def _take_in(self, manifest: manifests.Manifest) -> None:
        if manifest["finished"] is None:
            raise StoreError(
                f"the store at {self.path} is unfinished: {manifest['rows']} rows of "
                f"{len(manifest['shards'])} shards "
                "are there. Run the same harvest again to resume."
            )
        if damage := manifests.damaged_sizes(self.place, manifest):
            raise StoreError(
                f"{self.path} cannot be read ({damage}); `inscape verify` says what is damaged. "
                "Delete it and harvest again."
            )
        for name in manifest["sites"]:
            Site.parse(name)
        self.manifest, self._reader = manifest, Reader(self.place, manifest)
        self._spread: np.ndarray | None = None

    def __repr__(self) -> str:
        recipe = self.manifest["recipe"]
        return (
            f"Store({str(self.path)!r}, {len(self)} rows of {self.manifest['examples']} examples × "
            f"{len(self.sites)} sites, {self.manifest['model']} at {recipe['at']!r}, "
            f"{recipe['dtype']})"
        )

    def _repr_html_(self) -> str:
        sites = self.sites
        kept = some(len(sites), 20)
        rows = [(str(sites[i]), str(self.width(sites[i]))) for i in kept]
        notes = (f"{len(kept)} of {len(sites)} sites are shown.",) if len(kept) < len(sites) else ()
        return Shown(repr(self), ("site", "width"), rows, notes, (1,)).html()

    def __len__(self) -> int:
        return int(self.manifest["rows"] if self._same is None else self._same)

    @property
    def sites(self) -> list[Site]:
        """The sites it has, in the order in which they were harvested."""
        return [Site.parse(name) for name in self.manifest["sites"]]

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The checks of the model when it was harvested."""
        return self.manifest["certificate"]

    def width(self, site: Site | str) -> int:
        """The width of a site's vectors."""
        return int(self._entry(site)["width"])

    def frame(self) -> pd.DataFrame:
        """Everything but the vectors: example, position, token, group and labels, one row each, in
        row order.
        """
        columns = self.manifest["columns"]
        with _damage(self.path):
            index = {name: self._index(name) for name in INDEX}
            examples = self._examples()
            if self._same is not None:
                rows, example = expand_rows(
                    examples[COLUMN].to_numpy(), index["example"], self._same
                )
                index = {name: x[rows] for name, x in index.items()} | {"example": example}
                examples = examples.drop_columns([COLUMN])
            beside = examples.take(pa.array(index["example"])).to_pandas()
        table = pd.DataFrame(
            {"example": index["example"], **{n: index[n].astype(np.int32) for n in INDEX[1:]}}
        )
        return pd.concat([table, beside], axis=1).rename(columns=columns)

    def matrix(self, site: Site | str) -> Float32[np.ndarray, "rows d"]:
        """The vectors of one site, as float32, in the order of `frame`.

        Raises:
            StoreError: a site that was not harvested; the message lists those that were.
        """
        entry = self._entry(site)
        return self._read(entry, [(0, len(self))])

    def matrices(
        self, sites: Site | str | Iterable[Site | str] | None = None
    ) -> Iterator[tuple[Site, np.ndarray]]:
        """Sites and their matrices, one at a time, so that one is in memory: of one site, of several,
        or of all."""
        one = [sites] if isinstance(sites, (str, Site)) else sites
        for site in self.sites if one is None else one:
            yield Site.parse(site), self.matrix(site)

    def take(
        self, site: Site | str, rows: Sequence[int] | Sequence[bool] | Shaped[np.ndarray, " k"]
    ) -> Float32[np.ndarray, "taken d"]:
        """Some rows of one site, without reading the rest: by position, in the order given, or by a
        mask.

        Raises:
            ValueError: a row that the store does not have, or a mask of another length.
            StoreError: a site that was not harvested.
        """
        entry, which = self._entry(site), row_numbers(rows, len(self), "Store.take")
        if len(which) and not (which.min() >= 0 and which.max() < len(self)):
            raise ValueError(
                f"Store.take: rows are 0 to {len(self) - 1}, got {which.min()} to {which.max()}"
            )
        with _damage(self.path):
            order = self._order()
            return self._reader.rows(
                entry["column"], entry["width"], which if order is None else order[which]
            )

    def batches(
        self,
        sites: Site | str | Iterable[Site | str],
        size: int,
        shuffle: np.random.Generator | None = None,
    ) -> Iterator[Block]:
        """Stream every row once, `size` at a time.

        Args:
            sites: one site or several.
            size: rows a batch; the last may have fewer.
            shuffle: None for row order; a generator for block-shuffled order: blocks of
                neighbouring rows are read in random order, several at a time, and mixed.

        Yields:
            Blocks: row numbers and vectors by site.
        """
        if size < 1:
            raise ValueError(f"Store.batches: size must be at least 1, got {size}")
        names = [str(sites)] if isinstance(sites, (str, Site)) else [str(s) for s in sites]
        if not names:
            raise ValueError("Store.batches: give at least one site")
        entries = {name: self._entry(name) for name in names}
        block = max(1, _BLOCK_BYTES // (4 * max(e["width"] for e in entries.values())))

        def read(spans: Spans) -> dict[str, np.ndarray]:
            return {name: self._read(entry, spans) for name, entry in entries.items()}

        if shuffle is None:
            yield from in_order(read, len(self), size, block)
        else:
            yield from shuffled(read, len(self), size, block, _POOL, shuffle)

    def add(self, model: Any, examples: Any, sites: Any, **options: Any) -> Store:
        """Bring new sites to this store: one more pass over the same examples at the same
        positions.

        Args:
            model: the model it was harvested from.
            examples: the examples it was harvested over.
            sites: sites or patterns; those already here are left as they are.
            options: ``progress`` and ``nonfinite``, as in `inscape.store.harvest.harvest`.

        Returns:
            This store, with the new sites.

        Raises:
            StoreError: weights, tokenizer or examples differ from those harvested; the message says
                which.
        """
        add_sites(self.place, model, examples, sites, **options)
        return self.refresh()

    def verify(self, strict: bool = False, model: Any = None) -> list[str]:
        """Recompute every hash and look for what is wrong.

        Args:
            strict: raise at the first problem instead of returning them all.
            model: also check that this is the model that was harvested.

        Returns:
            Problems, one sentence each; empty if there are none.

        Raises:
            StoreError: with `strict`, the problems.
        """
        found = verify(self.place, model)
        if strict and found:
            raise StoreError(
                f"{self.path} is damaged: {' '.join(found)} Delete it and harvest again."
            )
        return found

    @property
    def _same(self) -> int | None:
        """How many rows there are where examples share some; None where none do."""
        return self.manifest.get("rows_with_repeats")

    def _index(self, name: str) -> np.ndarray:
        """A number of each row that is kept."""
        return self._reader.spans(name, 1, [(0, self.manifest["rows"])], np.int64)[:, 0]

    def _examples(self) -> pa.Table:
        (name,) = self.manifest["beside"]
        data = self.place.read(name)
        # Arrow trusts the offsets in a file: a wrong one ends the interpreter, so nothing is read
        # before the hash agrees
        if hashlib.sha256(data).hexdigest() != self.manifest["beside"][name]:
            raise ValueError(f"{name} does not match its SHA-256 checksum")
        # behind the magic bytes the file is a stream, and is read as the stream that was looked at
        stream = pa.py_buffer(data).slice(_MAGIC)
        check_messages(pa.BufferReader(stream), len(data))
        table = pa.ipc.open_stream(stream).read_all()
        table.validate(full=True)
        if len(table) != self.manifest["examples"]:
            raise ValueError(
                f"{name} has {len(table)} examples and not {self.manifest['examples']}"
            )
        return table

    def _order(self) -> np.ndarray | None:
        """Of each row, which row that is kept; None where each is its own."""
        if self._same is not None and self._spread is None:
            which = self._examples()[COLUMN].to_numpy()
            self._spread, _ = expand_rows(which, self._index("example"), self._same)
        return self._spread

    def _read(self, entry: dict[str, Any], spans: Spans) -> np.ndarray:
        """Ranges of rows of a site, one after the other, (rows, width) float32."""
        with _damage(self.path):
            if (order := self._order()) is None:
                return self._reader.spans(entry["column"], entry["width"], spans)
            return self._reader.rows(
                entry["column"], entry["width"], np.concatenate([order[a:b] for a, b in spans])
            )

    def _entry(self, site: Site | str) -> dict[str, Any]:
        name = str(Site.parse(translate(site) if isinstance(site, str) else site))
        if name not in self.manifest["sites"]:
            raise StoreError(
                f"{self.path} has no site {name}; bring it with store.add(model, examples, "
                f"{name!r}). {suggest(name, self.manifest['sites'])}"
            )
        return self.manifest["sites"][name]


def _damage(path: Path | str) -> AbstractContextManager[None]:
    return foreign(StoreError, f"{path} cannot be read", "`Store.verify` says what is damaged")
