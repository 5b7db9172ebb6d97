"""An outside package of toy studies on the import path, found as an installed one would be."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from inscape.study.discover import load_study
from inscape.study.folder import create
from inscape.study.recording import recording

OUTSIDE = Path(__file__).parent / "outside"


@pytest.fixture
def outside(monkeypatch, tmp_path):
    """The outside package; runs and caches go to a temporary folder."""
    monkeypatch.syspath_prepend(str(OUTSIDE))
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return OUTSIDE


@pytest.fixture
def opened(outside, tmp_path):
    """A function that opens a run of a toy study."""

    def open_run(name: str = "run"):
        study = load_study("toy-mean")
        folder = create(tmp_path / name, "toy-mean", "tiny", datetime.now(UTC))
        return recording(folder, study, study.presets["tiny"], preset="tiny", seed=3)

    return open_run
