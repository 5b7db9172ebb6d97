"""Files read in pieces: the same table whatever the pieces, text in a file, and a look that holds
nothing.
"""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inscape.core.errors import DataError
from inscape.core.urls import objects
from inscape.data import columns, csv_files, files, gathered, json_files, parquet_pages, source
from inscape.data.files import read_table
from inscape.data.load import load, look
from inscape.data.source import Source

from .test_load import BAD_FILES, ROWS, write

FORMATS = ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet", "a.csv.gz"]


@pytest.fixture
def small(monkeypatch):
    """Pieces of a row or two, and text in files."""

    def set_():
        monkeypatch.setattr(csv_files, "PIECE", 16)
        monkeypatch.setattr(files, "PIECE", 16)
        monkeypatch.setattr(parquet_pages, "_ROWS", 2)
        monkeypatch.setattr(json_files, "_BLOCK", 7)
        monkeypatch.setattr(gathered, "HELD", 16)
        monkeypatch.setattr(columns, "_PIECE", 2)

    return set_


@pytest.mark.parametrize("name", FORMATS)
def test_pieces_make_the_same_table(tmp_path, small, name):
    path = write(pd.concat([ROWS] * 5, ignore_index=True), tmp_path / name)
    whole = read_table(path)
    small()
    pieces = list(files.table_pieces(path))
    assert len(pieces) > 3
    assert pd.concat(pieces, ignore_index=True)["text"].tolist() == whole["text"].tolist()
    found = read_table(path)
    pd.testing.assert_frame_equal(found, whole)
    assert load(path).fingerprint == load(whole).fingerprint


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            *[st.sampled_from(["", "NA", "1", "-2.5", "+7", "True", "False", "x", "9" * 19, "007"])]
            * 3
        ),
        min_size=1,
        max_size=8,
    )
)
def test_pieces_make_the_same_csv(tmp_path, rows):
    text = io.StringIO()
    csv.writer(text).writerows([("a", "text", "c"), *rows])
    path = tmp_path / "a.csv"
    path.write_text(text.getvalue())
    whole = read_table(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_files, "PIECE", 2)
        patch.setattr(gathered, "HELD", 2)
        pd.testing.assert_frame_equal(read_table(path), whole)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("abc"),
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(width=16), st.text("xé")),
        ),
        min_size=1,
        max_size=8,
    ).filter(any)
)
def test_pieces_make_the_same_json(tmp_path, rows):
    path, array = tmp_path / "a.jsonl", tmp_path / "a.json"
    path.write_text("\n".join(map(json.dumps, rows)))
    array.write_text(json.dumps(rows, indent=1))
    whole = read_table(path)
    assert whole.replace({np.nan: None}).map(type).shape == (len(rows), len(whole.columns))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "PIECE", 2)
        patch.setattr(gathered, "HELD", 2)
        patch.setattr(json_files, "_BLOCK", 3)
        pd.testing.assert_frame_equal(read_table(path), whole)
        pd.testing.assert_frame_equal(read_table(array), whole)


@pytest.mark.parametrize("name", FORMATS)
def test_a_look_says_what_loading_says(tmp_path, small, name):
    path = write(ROWS, tmp_path / name)
    loaded = load(path)
    small()
    seen = look(path, 3)
    assert (seen.input, seen.labels, seen.group) == (loaded.input, loaded.labels, loaded.group)
    assert seen.examples == len(loaded) == 5
    assert seen.card == loaded.card
    assert seen.first["text"].tolist() == loaded.texts()[:3]
    assert look(path, 0).first.columns.tolist() == list(ROWS.columns)


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_look_refuses_what_loading_refuses(tmp_path, small, name):
    content, match = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    small()
    with pytest.raises(DataError, match=match):
        look(tmp_path / name)
    with pytest.raises(DataError, match=match):
        load(tmp_path / name)


def test_a_look_at_a_built_in_set():
    assert look("cities", 2).examples == len(load("cities"))
    with pytest.raises(DataError, match="no data set 'citys'"):
        look("citys")


def test_a_byte_that_is_not_utf8_is_found_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("inscape.data.source._BLOCK", 5)
    path = tmp_path / "a.csv"
    path.write_bytes("text,y\né,1\nü,2\n".encode() + b"ok\xff,3\n")
    with pytest.raises(DataError, match="byte 0xff on line 4"):
        read_table(path)


def test_a_source_is_read_more_than_once(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(" \n x")
    source = Source(path, "a.csv", False)
    assert source.first() == source.first() == "x"
    with source.text("") as stream:
        assert stream.read() == " \n x"


def test_text_in_a_file_is_handed_back_after_each_piece(tmp_path, small):
    small()
    path = tmp_path / "a.csv"
    path.write_text("text\n" + "some words\n" * 50)
    examples = load(path)
    assert isinstance(examples.frame["text"].dtype, pd.StringDtype)
    assert [x for piece in examples.text_pieces() for x in piece] == ["some words"] * 50


def test_text_of_a_large_parquet_file_is_not_held(tmp_path, small):
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({"text": [f"some text {i} " * 20 for i in range(5000)], "y": range(5000)})
    frame["kind"] = pd.Categorical(frame["y"] % 3)
    frame.to_parquet(path, row_group_size=700)
    sizes = []
    for held in (1 << 30, 16):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gathered, "HELD", held)
            before = pa.total_allocated_bytes()
            found = read_table(path)
            sizes.append(pa.total_allocated_bytes() - before)
        assert found["text"].tolist() == frame["text"].tolist()
        assert found["kind"].astype(int).tolist() == frame["kind"].astype(int).tolist()
    assert sizes[0] > 1_000_000 > 5 * sizes[1]


def _read(tmp_path, name, content, block):
    (tmp_path / name).write_text(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_files, "_BLOCK", block)
        return read_table(tmp_path / name)


@pytest.mark.parametrize("block", [1, 5, 1 << 20])
@pytest.mark.parametrize(
    ("content", "match"),
    [
        ('[{"text": "a"}, {"text": "b"}', r"a.json is not JSON: Expecting ',' at character 29"),
        ('[{"text": "a"} {"text": "b"}]', r"a.json is not JSON: Expecting ',' at character 15"),
        ('[{"text": "a"}] 7', r"a.json is not JSON: Extra data at character 16"),
        ('[{"text": "a"}, {"text": "b', r"a.json is not JSON: Unterminated .* at character 25"),
        ('[{"text": "a"}, {"text": tru', r"a.json is not JSON: Expecting value at character 25"),
        ('[{"text": "a"},', r"a.json is not JSON: Expecting value at character 15"),
        ('[{"text": "a"}, 12, {}]', r"a.json, item 1 is int, not an object"),
        ('[{"text": "a", "y": ' + "1" * 5000 + "}]", r"a.json, item 0 cannot be read as JSON"),
        ('[{"text": ' + "[" * 200_000, r"a.json, item 0 cannot be read as JSON"),
    ],
)
def test_a_broken_array_is_found_out_wherever_a_block_ends(tmp_path, content, match, block):
    if block == 1 and len(content) > 1000:
        pytest.skip("many blocks")
    with pytest.raises(DataError, match=match):
        _read(tmp_path, "a.json", content, block)


def test_of_an_array_no_more_is_held_than_a_record(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "_BLOCK", 64)
    looked = []
    original = json_files._Window._more

    def more(self):
        looked.append(len(self._text) - self._at)
        return original(self)

    monkeypatch.setattr(json_files._Window, "_more", more)
    rows = [{"text": f"some words {i}"} for i in range(500)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows))
    assert read_table(path)["text"].tolist() == [row["text"] for row in rows]
    assert len(looked) > 50
    assert max(looked) < 64


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.jsonl", '{"text": "' + "x" * 200, "a.jsonl, line 1 is longer than 100 characters"),
        ("a.csv", "text\n" + "x" * 200, "a.csv, line 2 is longer than 100 characters"),
        ("a.json", '[{"text": "' + "x" * 200, "a.json, item 0 is longer than 100 characters"),
        ("a.json", '[{"y": {"y": ' + "[0, " * 99, "a.json, item 0 is longer than 100 characters"),
    ],
)
def test_a_line_that_never_ends_is_not_held(tmp_path, monkeypatch, name, content, match):
    monkeypatch.setattr(source, "LONGEST", 100)
    with pytest.raises(DataError, match=match):
        _read(tmp_path, name, content, 16)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_records_with_nothing_in_common_are_no_table(tmp_path, name):
    # 2 MB of them would be a table of 25 thousand million cells
    rows = [{f"k{i}": i} for i in range(150_000)]
    lines = [json.dumps(row) for row in rows]
    (tmp_path / name).write_text(
        "\n".join(lines) if name == "a.jsonl" else "[" + ",".join(lines) + "]"
    )
    for read in (read_table, look):
        with pytest.raises(DataError, match=rf"{name} names 10,001 columns in its first 10,001"):
            read(tmp_path / name)


def test_records_that_lack_most_names_are_no_table(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_CELLS", 1000)
    (tmp_path / "a.jsonl").write_text("\n".join(f'{{"k{i}": {i}}}' for i in range(100)))
    with pytest.raises(DataError, match="a.jsonl names 100 columns in its first 100 records"):
        read_table(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text("\n".join(f'{{"k{i % 9}": {i}}}' for i in range(100)))
    assert read_table(tmp_path / "b.jsonl").shape == (100, 9)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl"])
def test_a_table_of_very_many_columns_is_refused(tmp_path, name):
    write(pd.DataFrame([[1] * 10_001], columns=[f"c{i}" for i in range(10_001)]), tmp_path / name)
    with pytest.raises(DataError, match=rf"{name} (has more than 10,000|names 10,001) columns"):
        read_table(tmp_path / name)


def test_a_long_cell_of_a_csv_names_the_formats_for_it(tmp_path):
    (tmp_path / "a.csv").write_text('text\n"' + "x " * 100_000 + '"\n')
    with pytest.raises(DataError, match=r"131,072 characters belong in JSON Lines or Parquet"):
        read_table(tmp_path / "a.csv")


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_url_names_is_fetched_in_pieces(tmp_path, small, monkeypatch, name):
    path = write(pd.concat([ROWS] * 5, ignore_index=True), tmp_path / name)
    local = read_table(path)
    url = f"memory://fetched/{name}"
    objects("memory://fetched").write(name, path.read_bytes())
    small()
    monkeypatch.setattr(source, "_FETCHED", 10)
    there = type(objects(url))
    monkeypatch.setattr(there, "read", None)  # nothing reads it whole
    asked, original = [], there.stream

    def stream(self, name, piece):
        for data in original(self, name, piece):
            asked.append(len(data))
            yield data

    monkeypatch.setattr(there, "stream", stream)
    pd.testing.assert_frame_equal(read_table(url), local)
    assert sum(asked) == path.stat().st_size
    assert max(asked) == 10


def test_a_url_with_more_than_the_disk_holds_is_refused(monkeypatch):
    objects("memory://fetched").write("a.csv", b"text\nabc\n")
    monkeypatch.setattr(source, "SHARE", 0)
    with pytest.raises(
        DataError, match=r"a.csv has more than 0 bytes, for which .* has no room; free space there"
    ):
        read_table("memory://fetched/a.csv")
