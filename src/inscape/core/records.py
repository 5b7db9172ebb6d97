"""Records in JSON files that others wrote: read once into a typed structure, or refused with one
sentence.

The types are `msgspec` structures; their check names the first wrong field
(``Expected `int`, got `str` - at `$.r` ``). The size of a file is bounded before it is read.
Numbers that JSON lacks and Python writes (``Infinity``) are taken.

Cost: one pass over the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from inscape.core.errors import DataError, InscapeError
from inscape.core.foreign import reason

#: bytes of a record; the largest that is known, the index of a model of a trillion weights, has 20
# MB
LARGEST = 256 * 2**20


def read(
    path: str | Path,
    kind: Any,
    *,
    error: type[InscapeError] = DataError,
    cure: str = "write it again",
    largest: int = LARGEST,
) -> Any:
    """A JSON file as a record.

    Args:
        path: of the file.
        kind: a `msgspec.Struct`, or any type that it knows, such as ``dict[str, str]``.
        error: what is raised.
        cure: the end of the sentence.
        largest: bytes of the largest file that is read.

    Raises:
        InscapeError: (`error`) no such file, not JSON, or a field of another type.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise error(f"{path} is not a regular file; {cure}.")
        size = path.stat().st_size
        if size > largest:
            raise error(f"{path} has {size:,} bytes, and at most {largest:,} are read; {cure}.")
        value = json.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as found:
        raise error(f"{path} is not UTF-8 (byte {found.start}); {cure}.") from found
    except (ValueError, RecursionError, OSError) as found:
        raise error(f"{path} is not JSON ({reason(found)}); {cure}.") from found
    return convert(value, kind, str(path), error=error, cure=cure)


def convert(
    value: Any,
    kind: Any,
    where: str,
    *,
    error: type[InscapeError] = DataError,
    cure: str = "write it again",
) -> Any:
    """A parsed value as a record.

    Raises:
        InscapeError: (`error`) a field is missing or of another type; the sentence names it.

    Example:
        >>> convert({"r": 1}, dict[str, int], "a.json")
        {'r': 1}
        >>> convert({"r": "x"}, dict[str, int], "a")
        Traceback (most recent call last):
        inscape.core.errors.DataError: a is damaged: Expected `int`, got `str` - at
        `$[...]`; write it again.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as found:
        raise error(f"{where} is damaged: {reason(found)}; {cure}.") from found
