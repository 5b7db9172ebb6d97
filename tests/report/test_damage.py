"""Whatever is changed in a run folder, the report is made or one sentence names the file and the
cure."""

import os
import shutil
import struct

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from inscape.cli.outcome import outcome, show_outcome
from inscape.core.errors import RunError
from inscape.report import frames, html, markdown
from inscape.report.compare import index
from inscape.report.folder import read
from inscape.report.page import page
from inscape.report.results import results
from tests.report import mutations


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run folder with arrays, as it was before any damage, and where damaged copies of a file
    go."""
    path = tmp_path_factory.mktemp("damage") / "run"
    shutil.copytree(
        folder, path, ignore=shutil.ignore_patterns("report.*", "*.png", "*.svg", "*.pdf")
    )
    (path / "arrays").mkdir()
    save_file(
        {"latitude": np.arange(8.0).reshape(2, 4)}, path / "arrays" / "directions.safetensors"
    )
    return path


def everything(path):
    """All that is made of a run folder but the figures' files."""
    found = read(path)
    shown = page(found)
    html.report(shown)
    markdown.text(shown)
    for entry in found.record.get("arrays") or []:
        if (path / "arrays" / f"{entry['name']}.safetensors").exists():
            found.arrays(entry["name"])
    show_outcome(outcome(path))
    results([path, path], path.parent / "results.md")
    index([path, path], path.parent / "index.html")


def attempt(path, name, content):
    """Make everything of the folder with one file's content changed; the sentence if there is
    one."""
    before = (path / name).read_bytes()
    try:
        (path / name).write_bytes(content)
        everything(path)
    except RunError as error:
        return str(error)
    finally:
        (path / name).write_bytes(before)
    return None


def sound(sentence, name):
    """Whether a sentence names the file and the cure, on one line, and carries nothing that a
    terminal obeys."""
    return (
        name.rpartition("/")[2] in sentence
        and sentence.isprintable()
        and ("Run the study again." in sentence or "Run it again: " in sentence)
        and len(sentence) < 1200
    )


def test_before_the_damage_all_is_made(run, capsys):
    everything(run)
    assert "Longitude is readable" in capsys.readouterr().out


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damage_ends_in_one_sentence_or_does_no_harm(run, data):
    name, content = data.draw(mutations.damaged(run))
    sentence = attempt(run, name, content)
    assert sentence is None or sound(sentence, name), sentence


@pytest.mark.parametrize("name", [*mutations.JSON, *mutations.BINARY])
def test_an_empty_or_foreign_file_is_named(run, name):
    for content in (b"", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b"1" * 6000):
        sentence = attempt(run, name, content)
        assert sentence is not None
        assert sound(sentence, name), sentence


@pytest.mark.parametrize("name", [*mutations.JSON, *mutations.BINARY, "done"])
@pytest.mark.parametrize("kind", ["link", "broken link", "pipe", "folder"])
def test_only_plain_files_are_read(run, tmp_path, name, kind):
    path = shutil.copytree(run, tmp_path / "run") / name
    secret = tmp_path / "secret"
    path.rename(secret)
    if kind == "broken link":
        secret.unlink()
    make = {"pipe": lambda: os.mkfifo(path), "folder": path.mkdir}
    make.get(kind, lambda: path.symlink_to(secret))()
    with pytest.raises(
        RunError, match=rf"{path.name} is (a symbolic link|not a plain file).*Run the study"
    ):
        everything(tmp_path / "run")


@pytest.mark.parametrize("name", ["tables", "figures", "arrays"])
def test_a_folder_that_is_a_link_is_not_followed(run, tmp_path, name):
    path = shutil.copytree(run, tmp_path / "run") / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=rf"{name} is a symbolic link, and a run folder has none"):
        everything(tmp_path / "run")


def test_a_file_that_is_too_large_is_named(run, monkeypatch):
    monkeypatch.setattr("inscape.report.record.BYTES", 100)
    with pytest.raises(RunError, match=r"run\.json has .* bytes; a run writes at most 100"):
        read(run)


def _parquet(table):
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    return buffer.getvalue().to_pybytes()


def test_a_table_that_unfolds_is_refused_before_it_does():
    many = pa.table({"x": pa.array(np.zeros(frames.ROWS + 1, np.int8))})
    assert len(_parquet(many)) < 100_000
    with pytest.raises(ValueError, match="5,000,001 rows and 1 columns, more than a report shows"):
        frames.read(_parquet(many))
    text = pa.array(["a" * 100_000]).dictionary_encode().dictionary
    indices = pa.array(np.zeros(20_000, np.int32))
    wide = pa.table({"x": pa.DictionaryArray.from_arrays(indices, text)})
    assert len(_parquet(wide)) < 200_000
    with pytest.raises(ValueError, match="would unfold to 2,000,000,000 bytes"):
        frames.read(_parquet(wide))


def test_two_columns_of_one_name_are_refused_and_texts_are_cleaned():
    same = pa.table([pa.array([1]), pa.array([2])], names=["x", "x"])
    with pytest.raises(ValueError, match="two of its columns have one name"):
        frames.read(_parquet(same))
    frame = frames.read(_parquet(pa.table({"a\x0b": ["b\x0c", None], "n": [1, 2]})))
    expected = pd.DataFrame({"a\ufffd": ["b\ufffd", None], "n": [1, 2]})
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)


def test_arrays_are_read_whole_and_a_wrong_header_is_named(run):
    found = read(run).arrays("directions")["latitude"]
    np.testing.assert_array_equal(found, np.arange(8.0).reshape(2, 4))
    name = "arrays/directions.safetensors"
    content = (run / name).read_bytes()
    for wrong in (content + b"0", struct.pack("<Q", 2**60) + content[8:]):
        sentence = attempt(run, name, wrong)
        assert sentence is not None
        assert sound(sentence, name)
