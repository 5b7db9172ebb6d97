"""Page headers are read as Arrow reads them, and bombs of every kind are refused before they
unfold.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.core.errors import DataError
from inscape.data import parquet_pages as pages
from inscape.data.files import read_table
from inscape.data.load import look

NUMBERS = np.arange(3000)
TABLE = pa.table(
    {
        "text": [f"text {i % 700} and more" for i in NUMBERS],
        "y": NUMBERS.astype(float),
        "kind": pa.array((NUMBERS % 3).astype(str)).dictionary_encode(),
        "some": pa.array([None if i % 7 else i for i in NUMBERS.tolist()]),
        "parts": [[i, i + 1] for i in NUMBERS.tolist()],
    }
)


def _reader(data):
    return lambda start, length: data[start : start + length]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_headers_add_up_to_what_the_footer_says(tmp_path, version, compression, dictionary):
    path = tmp_path / "a.parquet"
    pq.write_table(
        TABLE,
        path,
        compression=compression,
        use_dictionary=dictionary,
        data_page_version=version,
        data_page_size=2000,
        row_group_size=1100,
        write_page_checksum=True,
    )
    data, head = path.read_bytes(), pq.ParquetFile(path).metadata
    counts: list[int] = []
    for group in range(head.num_row_groups):
        for number in range(head.num_columns):
            column = head.row_group(group).column(number)
            found = list(pages._pages(column, len(data), _reader(data)))
            counts.append(len(found))
            assert sum(p.header + p.packed for p in found) == column.total_compressed_size
            assert sum(p.header + p.unpacked for p in found) == column.total_uncompressed_size
            assert sum(p.values for p in found) == column.num_values
            assert found[0].spreads == column.has_dictionary_page
    assert max(counts) > 2
    whole = pages.extent(pq.ParquetFile(path), len(data), _reader(data))
    assert whole.most == pages.UNFOLDED
    assert whole.rows == pages._ROWS
    assert read_table(path)["text"].tolist() == TABLE["text"].to_pylist()


def test_rows_are_few_where_a_value_of_a_dictionary_is_long(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a" * 5000, "b" * 5000] * 30}), path, store_schema=False)
    monkeypatch.setattr(pages, "_HELD", 40_000)
    data = path.read_bytes()
    assert pages.extent(pq.ParquetFile(path), len(data), _reader(data)).rows == 3
    assert read_table(path)["text"].str.len().tolist() == [5000] * 60


def _long_text(path):
    pq.write_table(pa.table({"text": ["a" * 10**8]}), path, compression="zstd")


def _many_rows(path):
    zeros = np.zeros(40_000_000, dtype=np.int8)
    text = pa.DictionaryArray.from_arrays(pa.array(zeros), pa.array(["abc"]))
    pq.write_table(pa.table({"text": text, "y": zeros}), path, compression="zstd")


def _one_word(path):
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(4000, dtype=np.int32)), ["a" * 50_000])
    pq.write_table(pa.table({"text": words.cast(pa.string())}), path, store_schema=False)


def _same_beginning(path):
    words = ["a" * 50_000 + str(i) for i in range(3000)]
    pq.write_table(
        pa.table({"text": words}),
        path,
        use_dictionary=False,
        column_encoding={"text": "DELTA_BYTE_ARRAY"},
    )


@pytest.mark.parametrize("make", [_long_text, _many_rows, _one_word, _same_beginning])
def test_bombs_are_refused(tmp_path, make):
    path = tmp_path / "bomb.parquet"
    make(path)
    assert path.stat().st_size < 500_000
    before = pa.total_allocated_bytes()
    for read in (read_table, look):
        with pytest.raises(
            DataError,
            match=r"bomb.parquet is not a readable Parquet file \(it .*unfolds to more than .*, "
            r"which no table",
        ):
            read(path)
    assert pa.total_allocated_bytes() - before < 1_000_000


def test_a_table_that_repeats_itself_is_no_bomb(tmp_path):
    frame = pd.DataFrame({"text": ["the same " * 20 + str(i % 50) for i in range(20_000)]})
    frame.to_parquet(tmp_path / "a.parquet")
    assert len(read_table(tmp_path / "a.parquet")) == 20_000


def test_a_header_that_lies_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"]}), path, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset
    page = pages._page(start, _reader(bytes(data)))
    # the unpacked size is the second field, one byte here: made one of five bytes, of 1 GB
    assert data[start + 2] == 0x15
    assert data[start + 3] == page.unpacked * 2
    data[start + 3 : start + 4] = b"\x80\x80\x80\x80\x08"
    with pytest.raises(ValueError, match="unfolds to more than"):
        pages.extent(pq.ParquetFile(path), len(data), _reader(bytes(data)))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "damaged"),
        (b"\x15", "damaged"),
        (b"\x15\x00\x15\x01\x15\x00\x00", None),
        (b"\x1c" * 100, "nested too deeply"),
        (b"\x1d\x00", "damaged"),
        (b"\x15" + b"\xff" * 20, "damaged"),
        (b"\x18\xff\xff\xff\x7f", "damaged"),
        (b"\x19\xff\xff\xff\xff\xff\xff\x7f", "damaged"),
    ],
)
def test_damaged_headers(data, match):
    if match is None:
        assert pages._page(0, _reader(data)).unpacked == -1
        return
    with pytest.raises(ValueError, match=match):
        pages._page(0, _reader(data))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_refused(data):
    try:
        assert pages._page(0, _reader(data)).header <= len(data)
    except ValueError as error:
        assert "header is" in str(error)
