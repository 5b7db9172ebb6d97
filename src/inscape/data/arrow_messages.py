"""Whether Arrow data unfold to more than they are: batches that are compressed, or that have more
rows than bytes.

Arrow takes the memory that a compressed buffer says it unfolds to. Nothing that Inscape reads is
written compressed, so such batches are refused by their headers, before Arrow looks at them. A
batch's header is a FlatBuffers table:

    Message {version, header type, header, body length}      header: RecordBatch {rows, nodes, buffers, compression}
                                                              or DictionaryBatch {id, RecordBatch, is delta}

Cost: one header a batch.
Reference: Arrow's columnar format, "Encapsulated message format", Message.fbs.
"""

from __future__ import annotations

import struct

import pyarrow as pa

_HEADER, _RECORD, _ROWS, _COMPRESSION = 2, 1, 0, 3  # fields, by their place in the table
_FEW = 10_000  # rows that are no matter, whatever the size


def check_messages(stream: pa.NativeFile, size: int) -> None:
    """Look at the header of every batch of a stream.

    Args:
        stream: Arrow's streaming format; it is read to its end.
        size: bytes that there are.

    Raises:
        ValueError: a batch is compressed or damaged, or there are more rows than bytes.
    """
    rows = 0
    for message in pa.ipc.MessageReader.open_stream(stream):
        if message.type not in ("record batch", "dictionary"):
            continue
        data = message.metadata.to_pybytes()
        try:
            table = _table(data, 0, _HEADER)
            if table is not None and message.type == "dictionary":
                table = _inner(data, table, _RECORD)
            if table is None:
                raise ValueError("a batch has no header")
            if _slot(data, table, _COMPRESSION):
                raise ValueError("its batches are compressed, and only plain ones are read")
            at = _slot(data, table, _ROWS)
            rows += struct.unpack_from("<q", data, table + at)[0] if at else 0
        except struct.error:
            raise ValueError("the header of a batch is damaged") from None
        if rows > max(_FEW, size):
            raise ValueError(f"it has {size:,} bytes and says that it holds {rows:,} rows")


def _table(data: bytes, start: int, field: int) -> int | None:
    """Where the table lies that is a field of the one that `start` points to."""
    return _inner(data, start + struct.unpack_from("<I", data, start)[0], field)


def _inner(data: bytes, table: int, field: int) -> int | None:
    """Where the table lies that is a field of the one at `table`."""
    at = _slot(data, table, field)
    return table + at + struct.unpack_from("<I", data, table + at)[0] if at else None


def _slot(data: bytes, table: int, field: int) -> int:
    """How far into a table a field lies; 0 if it is not there."""
    fields = table - struct.unpack_from("<i", data, table)[0]
    if fields < 0:
        raise struct.error
    (length,) = struct.unpack_from("<H", data, fields)
    where = 4 + 2 * field
    return struct.unpack_from("<H", data, fields + where)[0] if where + 2 <= length else 0
