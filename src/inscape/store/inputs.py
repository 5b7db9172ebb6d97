"""What a harvest feeds in: tokens of each example and the positions kept.

Text is tokenised once, one way (`model.tokenize`), and positions are resolved on the tokens of each
example alone, so that what an example is harvested at never depends on what it was batched with.
Arrays are in `inscape.store.array_inputs`.

Cost: O(tokens) time; tens of bytes of memory an example. Token ids and positions of many lie in a
file without a name (`inscape.core.token_table`), and texts are looked at a thousand at a time.
"""

from __future__ import annotations

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from torch import Tensor

from inscape.core.batch import Batch, Tokens
from inscape.core.errors import DataError, StoreError
from inscape.core.site import Site
from inscape.core.token_table import Ragged, TokenTable
from inscape.data import columns
from inscape.data.examples import Examples, split
from inscape.data.positions import parse, resolve, tight
from inscape.model.axes import shares, unshown
from inscape.model.lengths import Switches
from inscape.store import sharding
from inscape.store.manifest import digest
from inscape.store.prefix_sharing import Sharing


class Inputs(ABC):
    """What `inscape.store.capture` needs of its inputs.

    Attributes:
        text: whether inputs are tokens, so that positions can be asked of the model.
        reduce: ``"mean"`` where an example's positions are averaged into one row, else ``"none"``.
        lengths: cost of each example in tokens, (n,) whole numbers.
        rows: rows that each example gives, (n,) whole numbers.
        data: fingerprint of the examples with their labels and group.
        table: what travels beside the vectors, one row an example: id, group and labels.
        tokens: the examples, where they are tokens.
        sharing: the beginnings that they share and that are computed once; None where none are.
        example_bytes: of an example as it is sent to a worker, where that is many.
        switches: lengths that may not share a pass; see `inscape.model.lengths`.
        looked: padded tokens of the largest pass whose rows were compared with those of examples
            alone, and padded tokens computed since; see `inscape.store.rows_alone`.
    """

    text: bool
    reduce: str
    lengths: np.ndarray
    rows: np.ndarray
    data: str
    table: pd.DataFrame
    tokens: Sequence[Tokens] = ()
    sharing: Sharing | None = None
    example_bytes: int = 0
    switches: Switches = Switches()
    looked: tuple[int, int] = (0, 0)

    def __len__(self) -> int:
        return len(self.table)

    @abstractmethod
    def positions(self, i: int) -> np.ndarray:
        """Positions of example `i` whose vectors are wanted, ascending."""

    @abstractmethod
    def ids(self, i: int) -> np.ndarray:
        """Token id of each row of example `i`."""

    @abstractmethod
    def key(self, i: int) -> bytes:
        """Bytes that two examples share only if they give the same rows."""

    @abstractmethod
    def batch(self, model: Any, members: Sequence[int] | np.ndarray) -> Batch:
        """A padded batch of some examples."""

    def cut(self, members: np.ndarray) -> Inputs:
        """Some of the examples as inputs of their own, numbered from 0, with as much of the data as
        they need.
        """
        raise NotImplementedError

    def kinds(self, members: np.ndarray) -> np.ndarray:
        """The kind of each of some examples, (k,) whole numbers: those of one kind may share a
        pass.
        """
        return self.switches.kinds(self.lengths[members])

    def number(self, i: int) -> int:
        """What example `i` is called: its number among all that were given."""
        return i

    def shard_rows(self, row_bytes: int, shard_bytes: int) -> int:
        """The most rows of a shard whose rows have so many bytes of vectors; see
        `inscape.store.sharding.shard_rows`.
        """
        return sharding.shard_rows(
            row_bytes, shard_bytes, self.example_bytes // max(1, int(self.rows.max()))
        )

    def kept(self, i: int) -> np.ndarray:
        """Position of each row of example `i`; of the last one averaged, where averaged."""
        return self.positions(i)[-1:] if self.reduce == "mean" else self.positions(i)


def inputs_hash(inputs: Inputs) -> str:
    """SHA-256 (hex) of everything that reaches the network and of the positions kept."""
    found = hashlib.sha256(f"{len(inputs)} {inputs.reduce}".encode())
    for i in range(len(inputs)):
        key = inputs.key(i)
        found.update(len(key).to_bytes(8, "big"))
        found.update(key)
    return found.hexdigest()


class TokenInputs(Inputs):
    """Tokens that came ready and the positions kept of each; see `Inputs`.

    Args:
        tokens: the examples.
        at: which positions, as `inscape.data.positions.parse` reads them.
        spans: of each example, its named spans; none if None.
        causal: whether a token of the model sees none that follow it.

    Raises:
        DataError: an example has no such position, span or offsets.
    """

    text = True

    def __init__(
        self,
        tokens: Sequence[Tokens],
        at: str,
        spans: Sequence[Mapping[str, tuple[int, int]]] | None = None,
        *,
        causal: bool,
    ):
        where = parse(at)
        self.tokens = tokens if isinstance(tokens, TokenTable) else list(tokens)
        self.reduce = where.reduce
        self._positions: Sequence[np.ndarray] = Ragged(
            resolve(where, t, None if spans is None else spans[i], causal=causal)
            for i, t in enumerate(self.tokens)
        )
        counts = self._positions.lengths
        if self.reduce == "mean" and not counts.all():
            raise DataError(
                f"example {int(counts.argmin())} has no position at {at!r}, so there is nothing to "
                "average."
            )
        self.lengths = (
            self.tokens.ids.lengths
            if isinstance(self.tokens, TokenTable)
            else np.array([len(t) for t in self.tokens], dtype=np.int64)
        )
        self.rows = np.ones_like(counts) if self.reduce == "mean" else counts
        self.table = numbered(len(self.tokens))
        self.data = "tokens"  # their ids are in the hash of the inputs

    def positions(self, i: int) -> np.ndarray:
        return self._positions[i]

    def _token_ids(self, i: int) -> np.ndarray:
        """All token ids of example `i`, without what else is known of its tokens."""
        tokens = self.tokens
        return tokens.ids[i] if isinstance(tokens, TokenTable) else tokens[i].ids

    def ids(self, i: int) -> np.ndarray:
        return self._token_ids(i)[self.kept(i)]

    def key(self, i: int) -> bytes:
        ids, positions = self._token_ids(i), self._positions[i]
        return ids.astype("<i8").tobytes() + b"|" + positions.astype("<i8").tobytes()

    def batch(self, model: Any, members: Sequence[int] | np.ndarray) -> Batch:
        return model.collate([self.tokens[int(i)] for i in members])

    def cut(self, members: np.ndarray) -> Inputs:
        part, chosen = copy.copy(self), members.tolist()
        part.tokens, part._positions = (
            [self.tokens[i] for i in chosen],
            [self._positions[i] for i in chosen],
        )
        part.lengths, part.rows = self.lengths[members], self.rows[members]
        part.table = self.table[["id"]].iloc[members]
        part.sharing = None if self.sharing is None else self.sharing.cut(members)
        return part


class TextInputs(TokenInputs):
    """Tokenised examples and the positions kept of each; see `Inputs`.

    Args:
        model: tokenises.
        examples: the texts, spans, group and labels.
        at: which positions, as `inscape.data.positions.parse` reads them.
        prompt: a template with one ``{}`` that each text is set into, or None.

    Raises:
        DataError: an example has no such position, span or offsets.
    """

    def __init__(self, model: Any, examples: Examples, at: str, prompt: str | None = None):
        in_spans = parse(at).kind.startswith("span")
        before, after = ("", "") if prompt is None else split(prompt)

        def found() -> Iterator[Tokens]:
            first = 0
            for texts in examples.text_pieces():
                tokens = model.tokenize([f"{before}{text}{after}" for text in texts], first)
                # their texts are not kept, and what spans need of them is in the offsets
                yield from map(tight, tokens) if in_spans else tokens
                first += len(texts)

        spans = _Spans(examples.span_arrays(None if prompt is None else before))
        super().__init__(
            TokenTable(found(), offsets=in_spans),
            at,
            spans if in_spans and spans else None,
            causal=model.causal,
        )
        self.table, self.data = described(examples)


class _Spans(Sequence[Mapping[str, tuple[int, int]]]):
    """Named spans of each example, made when they are asked for.

    Args:
        arrays: name → first characters, (n,), and characters after the last, (n,).
    """

    def __init__(self, arrays: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        self._arrays = arrays

    def __len__(self) -> int:
        return min((len(start) for start, _ in self._arrays.values()), default=0)

    def __getitem__(self, i: Any) -> Any:
        return {name: (int(start[i]), int(end[i])) for name, (start, end) in self._arrays.items()}


def described(examples: Examples) -> tuple[pd.DataFrame, str]:
    """What travels beside the vectors of a table's examples, and the table's fingerprint."""
    count = pd.RangeIndex(len(examples))
    same = isinstance(examples.frame.index, pd.RangeIndex) and examples.frame.index.equals(count)
    table = numbered(len(examples)) if same else pd.DataFrame({"id": examples.ids()})
    if examples.group is not None:
        group = examples.frame[examples.group]
        table["group"] = group.array if _is_text(group) else columns.as_text(group)
    for label in examples.labels:
        column = examples.frame[label]
        table[f"label:{label}"] = column.array if _is_text(column) else column.to_numpy()
    return table, digest(
        [
            examples.fingerprint,
            examples.input,
            list(examples.labels),
            examples.group,
            _hash(table["id"]),
            [_types(table[name]) for name in table],
        ]
    )


def _types(column: pd.Series) -> str:
    """The type of a column's values, which their fingerprint leaves out: 1 and "1" are not one
    label.
    """
    kind = str(column.dtype)
    return f"{kind} {_hash(column, lambda v: type(v).__name__)}" if kind == "object" else kind


def _hash(column: pd.Series, word: Callable[[Any], str] = str) -> str:
    """SHA-256 (hex) of a word for each cell."""
    found = hashlib.sha256()
    for cells in columns.pieces(column):
        found.update(json.dumps([word(value) for value in cells]).encode())
    return found.hexdigest()


def _is_text(column: pd.Series) -> bool:
    """Whether a column is text that lies in one piece, of which no Python values are made."""
    return isinstance(column.dtype, pd.StringDtype)


def numbered(count: int) -> pd.DataFrame:
    """The table of examples that have no ids of their own: their numbers."""
    # written by Arrow: pandas would make a Python object of each
    return pd.DataFrame({"id": pa.array(np.arange(count)).cast(pa.string()).to_pandas()})


def by_position(model: Any, site: Site, found: Any) -> Tensor:
    """A site's activations as (batch, positions, width); a module's feature maps have one position
    a pixel or step.

    Which axis is the examples' and which the width's is what `inscape.model.axes` found.

    Raises:
        SiteError: no axis of a module's tensor is shown to be the examples'.
        StoreError: the site has no vector at each position, or complex ones.
    """
    x: Tensor = found.logits if site.point == "logits" else found[site]
    if x.is_complex():
        raise StoreError(
            f"{site} holds complex numbers, and a store keeps real ones; harvest another site, or "
            "read this one with model.run."
        )
    place = model.atlas.place(site) if site.point == "module" else None
    if place is not None:
        if place.axes is None:
            raise shares(model, site) or unshown(site, x.shape)
        if x.ndim > 2 and place.axes.has_positions:
            return x.flatten(2)
        if x.ndim > 2 and model.kind != "text":
            return x.movedim(place.axes.width or x.ndim - 1, -1).flatten(1, -2)
    if x.ndim == 2:
        return x[:, None]
    if x.ndim == 3:
        return x
    raise StoreError(
        f"{site} has shape {tuple(x.shape)}, not one vector at each position; harvest another "
        "site, or read this one with model.run."
    )
