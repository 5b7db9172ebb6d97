"""Files without a name: read by position, mapped and handed back, and a full disk said in a
sentence.
"""

from __future__ import annotations

import errno
import os
import tempfile

import pytest

from inscape.core.errors import DataError
from inscape.core.scratch import Scratch, let_go


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_was_written_is_read_by_position_and_has_no_name(home):
    scratch = Scratch()
    assert scratch.write(b"abc") + scratch.write(memoryview(b"defg")) == scratch.size == 7
    assert scratch.read(2, 3) == b"cde"
    assert scratch.read(5, 100) == b"fg"
    assert scratch.read(7, 1) == b""
    assert list(home.iterdir()) == []


def test_a_mapped_file_is_the_same_after_its_memory_was_handed_back(home):
    scratch = Scratch()
    scratch.write(bytes(range(256)) * 4096)
    mapped = scratch.map()
    assert mapped[300] == 300 % 256
    let_go()
    assert mapped[:256] == bytes(range(256))


def test_a_cache_folder_that_cannot_be_made_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch = Scratch()
    scratch.write(b"abc")
    assert scratch.read(0, 3) == b"abc"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_one_sentence(home, monkeypatch):
    scratch = Scratch()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(
        DataError, match=r"cannot be written to .*home \(No space left on device\); free space"
    ):
        scratch.write(b"abc")
