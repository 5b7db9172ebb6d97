"""What travels beside the vectors: which example, position and token a row is of, with its id,
group and labels.

Each row keeps the number of its example (where inputs repeat, of its distinct input); id, group and
labels are one table of the examples, written once.

Cost: the table of the examples, in memory as Arrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from inscape.store import duplicates
from inscape.store.capture import Shard
from inscape.store.disk_dtypes import TORCH_DTYPES
from inscape.store.inputs import Inputs

#: the numbers that every row has
INDEX = ("example", "position", "token")
_LABEL = "label:"


class ExampleColumns(NamedTuple):
    """Columns of the examples.

    Attributes:
        table: one row an example.
        names: every column that is not a vector → the name that `Store.frame` gives it.
    """

    table: pa.Table
    names: dict[str, str]


class StoreSchema(NamedTuple):
    """What a store is made of.

    Attributes:
        examples: the table of the examples.
        vectors: site's name → the dtype and width of its vectors.
    """

    examples: pa.Table
    vectors: dict[str, tuple[torch.dtype, int]]


@dataclass(frozen=True)
class Rows:
    """Some rows of a store, not yet written.

    Attributes:
        columns: name → (rows,) or (rows, width) tensor.
    """

    columns: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.columns["example"])

    def take(self, rows: Any) -> Rows:
        """Some of them, in the order given."""
        which = torch.from_numpy(np.array(rows, dtype=np.int64))
        return Rows({name: x[which] for name, x in self.columns.items()})


def example_columns(inputs: Inputs, which: np.ndarray | None = None) -> ExampleColumns:
    """The columns beside the vectors; a label named like one of ours keeps a ``label:`` before its
    name.

    Args:
        inputs: all examples.
        which: which distinct input each is, where some are the same (`inscape.store.duplicates`).
    """
    table = pa.Table.from_pandas(inputs.table, preserve_index=False).replace_schema_metadata(None)
    ours = [*INDEX, "id", "group"]
    names = {name: name for name in INDEX}
    for name in table.column_names:
        label = name.removeprefix(_LABEL)
        names[name] = name if label == name or label in ours else label
    return ExampleColumns(
        table if which is None else table.append_column(duplicates.COLUMN, pa.array(which)), names
    )


def store_schema(side: ExampleColumns, sites: dict[str, dict[str, Any]]) -> StoreSchema:
    """The table of the examples, and one column a site."""
    return StoreSchema(
        side.table,
        {name: (TORCH_DTYPES[entry["dtype"]], entry["width"]) for name, entry in sites.items()},
    )


def shard_table(shard: Shard, side: ExampleColumns, schema: StoreSchema) -> Rows:
    """A shard as rows: their numbers, then the vectors of each site."""
    columns = {name: torch.from_numpy(getattr(shard, name)) for name in INDEX}
    columns |= {str(site): x for site, x in shard.vectors.items()}
    for name, (dtype, width) in schema.vectors.items():
        assert (columns[name].dtype, columns[name].shape[1]) == (dtype, width), name
    return Rows(columns)
