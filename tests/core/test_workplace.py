"""A workplace is gone afterwards; what the dead left is removed, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from inscape.core.workplace import workplace

DIES = """
import os, signal, sys
from pathlib import Path
from inscape.core.workplace import workplace
with workplace(Path(sys.argv[1]), sys.argv[2]) as place:
    (place / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def die(parent, name):
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(DIES), str(parent), name])
    assert ended.returncode == -signal.SIGKILL


def test_it_is_gone_afterwards_whatever_happens(tmp_path):
    with workplace(tmp_path / "new", "x") as place:
        assert place.parent == tmp_path / "new"
        (place / "a").write_text("1")
    with pytest.raises(KeyError), workplace(tmp_path / "new", "x"):
        raise KeyError
    assert not list((tmp_path / "new").iterdir())


def test_what_the_dead_left_is_removed_and_nothing_else(tmp_path):
    die(tmp_path, "x")
    die(tmp_path, "y")
    assert len(list(tmp_path.iterdir())) == 2
    others = [
        ".making-x",
        ".making-x-0123",
        "making-x-0123456789abcdef",
        ".making-x-0123456789ABCDEF",
    ]
    for name in others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text("mine")
    link = tmp_path / ".making-x-aaaaaaaaaaaaaaaa"
    os.symlink(tmp_path / others[0], link)
    (tmp_path / ".making-x-bbbbbbbbbbbbbbbb").write_text("a file")
    with workplace(tmp_path, "x"), workplace(tmp_path, "x") as second:
        # the first is in use, so the second lets it be
        assert len([p for p in tmp_path.glob(".making-x-*") if p.is_dir()]) == 5
        assert second.is_dir()
    assert link.is_symlink()
    assert (tmp_path / ".making-x-bbbbbbbbbbbbbbbb").read_text() == "a file"
    assert all((tmp_path / name / "mine").read_text() == "mine" for name in others)
    assert len(list(tmp_path.glob(".making-y-*"))) == 1
    with workplace(tmp_path, "x", everyone=True):
        assert not list(tmp_path.glob(".making-y-*"))
