"""Examples without a length (iterators, generators, streamed data sets), put together so that a
harvest can be planned.

A plan needs every example's length, and a harvest that was interrupted needs the same examples
again. Texts and rows become a table whose text lies in a file where there is much of it; token ids
become one table of numbers. Memory is a few hundred bytes an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from torch import Tensor

from inscape.core.batch import Batch, Tokens
from inscape.core.errors import DataError
from inscape.core.foreign import foreign
from inscape.core.token_table import TokenTable
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.data.streams import read_rows
from inscape.model.chat import is_conversation, texts_of

#: the largest token id that is kept
_LARGEST = 2**31 - 1


def materialise(model: Any, given: Any) -> Any:
    """What has a length as it is; a stream, or a data set of rows, as examples or as tokens.

    Raises:
        DataError: the stream is empty, or of something else than texts, messages, rows or token
            ids.
    """
    if isinstance(given, (str, Examples, Batch, Mapping, np.ndarray, Tensor)):
        return given
    if hasattr(given, "__len__") and not _is_rows_of_columns(given):
        return given
    if not isinstance(given, Iterable):
        raise DataError(
            f"a {type(given).__name__} holds no examples; give texts, a table, token ids, an "
            "array, or an iterator of them."
        )
    source = iter(given)
    with foreign(DataError, "the stream of examples cannot be read", "check where it comes from"):
        first = next(source, None)
    if first is None:
        raise DataError("there are no examples to harvest; give at least one.")
    everything = chain([first], source)
    if isinstance(first, str):
        return load(read_rows(everything), input="text")
    if is_conversation(first):
        rows = ({"text": texts_of(model, [one])[0]} for one in everything)
        return load(read_rows(rows), input="text")
    if isinstance(first, Mapping):
        if "input_ids" in first:
            return TokenTable(_ids(row["input_ids"] for row in everything), offsets=False)
        return load(read_rows(everything))
    if isinstance(first, Tokens):
        return TokenTable(everything, offsets=True)
    if model.kind == "text":
        return TokenTable(_ids(everything), offsets=False)
    raise DataError(
        f"{model.name} takes arrays, and a stream of them has no length to plan by; give one "
        "array, which may be a memory "
        "map larger than memory."
    )


def _is_rows_of_columns(given: Any) -> bool:
    """Whether something is a data set of Hugging Face, whose items are rows."""
    return hasattr(given, "column_names") and hasattr(given, "features")


def _ids(rows: Iterable[Any]) -> Iterator[Tokens]:
    for i, row in enumerate(rows):
        x = np.asarray(row)
        if x.ndim != 1 or x.dtype.kind not in "iu" or not len(x):
            raise DataError(
                f"example {i} of the stream is an array of {x.dtype} of shape {x.shape}; give "
                "texts, or token ids: whole numbers, one row an example."
            )
        if x.min() < 0 or x.max() > _LARGEST:
            raise DataError(
                f"example {i} of the stream has the token id "
                f"{x.min() if x.min() < 0 else x.max()}, which no tokenizer "
                "has; give ids from 0 on."
            )
        yield Tokens(
            x.astype(np.int64), np.zeros((len(x), 2), np.int64), np.zeros(len(x), dtype=bool)
        )
