"""Large data sets of the `datasets` library are read in pieces, and say what they leave out."""

from __future__ import annotations

import logging

import pandas as pd
import pytest

from inscape.data import gathered, hugging_face
from inscape.data.load import load

datasets = pytest.importorskip("datasets")


@pytest.fixture
def saved(tmp_path):
    datasets.disable_progress_bars()
    rows = {
        "text": [f"some words {i}" for i in range(50)],
        "y": list(range(50)),
        "parts": [[i, i + 1] for i in range(50)],
    }
    data = datasets.Dataset.from_dict(rows).shuffle(seed=0)
    data.save_to_disk(str(tmp_path / "set"))
    return tmp_path / "set"


def test_a_large_data_set_is_the_same_without_its_lists(saved, monkeypatch, caplog):
    whole, _ = hugging_face.read(str(saved), None)
    assert list(whole) == ["text", "y", "parts"]
    monkeypatch.setattr(gathered, "HELD", 100)
    monkeypatch.setattr(hugging_face, "_ROWS", 7)
    monkeypatch.setattr(datasets.Dataset, "to_pandas", None)  # nothing makes a table of all of it
    with caplog.at_level(logging.WARNING):
        found, _ = hugging_face.read(f"hf:{saved}", None)
    assert "the columns parts of lists or records are left out" in caplog.text
    pd.testing.assert_frame_equal(found, whole[["text", "y"]])
    assert load(saved).texts() == whole["text"].tolist()
    assert load(saved, limit=3).texts() == whole["text"].tolist()[:3]
