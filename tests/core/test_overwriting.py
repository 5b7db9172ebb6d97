"""A file is written over only if Inscape wrote it; what fails half-way leaves the old one."""

from __future__ import annotations

import pytest

from inscape.core.errors import DataError
from inscape.core.overwriting import refuse_foreign, replacing, write_whole


def test_only_a_marked_file_may_be_replaced(tmp_path):
    path = tmp_path / "x.md"
    refuse_foreign(path, b"ours", DataError)
    path.write_text("this is ours")
    refuse_foreign(path, b"ours", DataError)
    with pytest.raises(DataError, match=r"x\.md already exists and was not written by this"):
        refuse_foreign(path, None, DataError)
    path.write_text("this is mine")
    with pytest.raises(DataError, match="was not written by this command, so it is not replaced"):
        refuse_foreign(path, b"ours", DataError)
    path.write_text(" " * (64 << 10) + "ours")  # a mark stands at the beginning
    with pytest.raises(DataError, match="was not written by this command"):
        refuse_foreign(path, b"ours", DataError)


def test_links_and_folders_are_refused(tmp_path):
    (tmp_path / "ours").write_text("ours")
    for target in ("ours", "nowhere"):
        (tmp_path / f"to-{target}").symlink_to(tmp_path / target)
        with pytest.raises(DataError, match=f"to-{target} is a symbolic link"):
            refuse_foreign(tmp_path / f"to-{target}", b"ours", DataError)
    with pytest.raises(DataError, match="already exists and is not a file"):
        refuse_foreign(tmp_path, b"ours", DataError)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as fresh:
        fresh.write_text("half")
        raise ZeroDivisionError
    assert (path.read_text(), len(list(tmp_path.iterdir()))) == ("old", 1)
    with replacing(path) as fresh:
        assert fresh.suffix == ".json"
        fresh.write_text("new")
    assert (path.read_text(), len(list(tmp_path.iterdir()))) == ("new", 1)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / ("n" * 250)
    write_whole(path, b"one")
    write_whole(path, memoryview(b"two"), durable=True)
    assert path.read_bytes() == b"two"

    def fails(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"three", durable=True)
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "no" / "folder", b"")
