"""Headers of Arrow batches: compressed ones and those with more rows than bytes are refused before
Arrow reads them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.data import arrow_messages as messages
from inscape.data.arrow_messages import check_messages


def _stream(table, compression=None):
    out = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(out, table.schema, options=options) as file:
        file.write_table(table, max_chunksize=100)
    return out.getvalue().to_pybytes()


def _check(data):
    check_messages(pa.BufferReader(data), len(data))


TABLE = pa.table(
    {
        "text": [f"some text {i}" for i in range(300)],
        "kind": pa.array(["a", "b", "c"] * 100).dictionary_encode(),
        "parts": [[i, i + 1] for i in range(300)],
        "none": pa.nulls(300),
    }
)


def test_what_is_written_plainly_passes():
    _check(_stream(TABLE))
    _check(_stream(TABLE.slice(0, 0)))


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_batches_are_refused_and_take_no_memory(compression):
    bomb = pa.table({"text": ["a" * 10_000_000]})
    data = _stream(bomb, compression)
    assert len(data) < 100_000
    before = pa.total_allocated_bytes()
    with pytest.raises(ValueError, match="its batches are compressed"):
        _check(data)
    assert pa.total_allocated_bytes() - before < 1_000_000
    with pytest.raises(ValueError, match="its batches are compressed"):
        _check(_stream(TABLE.select(["kind"]), compression))


def test_rows_that_no_byte_stands_for_are_refused():
    with pytest.raises(ValueError, match=r"says that it holds [\d,]+ rows"):
        _check(_stream(pa.table({"none": pa.nulls(3_000_000)})))


@settings(deadline=None)
@given(st.integers(0, 2**20), st.integers(0, 255))
def test_any_changed_byte_is_passed_or_refused(at, value):
    data = bytearray(_stream(TABLE.slice(0, 50)))
    data[at % len(data)] = value
    try:
        _check(bytes(data))
    except (ValueError, OSError, pa.ArrowException) as error:
        assert str(error)


@settings(deadline=None)
@given(st.binary(min_size=8, max_size=120), st.integers(0, 3))
def test_any_header_is_read_or_refused(data, field):
    try:
        found = messages._table(data, 0, field)
        assert found is None or found >= 0
    except messages.struct.error:
        pass


def test_the_header_is_that_which_arrow_wrote():
    # of every batch: its rows as Arrow gives them, read by hand
    counted = []
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(_stream(TABLE))):
        if message.type == "record batch":
            data = message.metadata.to_pybytes()
            table = messages._table(data, 0, messages._HEADER)
            at = table + messages._slot(data, table, messages._ROWS)
            counted.append(int(np.frombuffer(data, "<i8", 1, at)[0]))
    assert counted == [100, 100, 100]
