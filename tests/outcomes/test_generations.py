"""Generations in the cache: made once, read back whole, made again when anything that decides them
changes.
"""

from __future__ import annotations

import importlib

import numpy as np
import pandas as pd
import pytest

from inscape.outcomes.generations import generations
from tests.store.conftest import llama

#: the package offers the function of this name
module = importlib.import_module("inscape.outcomes.generations")

PROMPTS = ["w1 w2 w3", "w4", "w1 w2 w3"]


@pytest.fixture
def calls(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path))
    made = []
    real = module.continuations
    monkeypatch.setattr(module, "continuations", lambda *a, **k: made.append(k) or real(*a, **k))
    return made


def test_made_once_and_read_back_whole(calls, tmp_path):
    model = llama()
    first = generations(model, PROMPTS, 4, samples=3, temperature=1.0)
    again = generations(model, PROMPTS, 4, samples=3, temperature=1.0)
    assert len(calls) == 1
    assert [len(several) for several in again] == [3, 3, 3]
    for a, b in zip([s for p in first for s in p], [s for p in again for s in p], strict=True):
        assert (a.text, a.ended, a.ids.tolist()) == (b.text, b.ended, b.ids.tolist())
        assert np.array_equal(a.logprobs, b.logprobs)
        assert np.array_equal(a.most, b.most)
    assert not list(tmp_path.rglob("*.new*"))


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "another"])
def test_a_damaged_file_is_made_again(calls, tmp_path, caplog, damage):
    first = generations(llama(), PROMPTS, 4)
    (path,) = tmp_path.rglob("*.parquet")
    whole = path.read_bytes()
    found = {"cut": whole[:-20], "changed": b"x" * len(whole), "empty": b""}
    if damage == "another":
        pd.read_parquet(path).iloc[:1].to_parquet(path)
    else:
        path.write_bytes(found[damage])
    again = generations(llama(), PROMPTS, 4)
    assert len(calls) == 2
    assert f"{path} is damaged" in caplog.text
    assert [p[0].ids.tolist() for p in again] == [p[0].ids.tolist() for p in first]
    generations(llama(), PROMPTS, 4)
    assert len(calls) == 2


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"temperature": 0.5}, {"samples": 2}, {"stop": "w"}]
)
def test_another_setting_is_another_generation(calls, change):
    options = {"samples": 3, "temperature": 1.0, "seed": 0}
    generations(llama(), PROMPTS, 3, **options)
    generations(llama(), PROMPTS, 3, **(options | change))
    generations(llama(1), PROMPTS, 3, **options)
    generations(llama(), PROMPTS[:2], 3, **options)
    assert len(calls) == 4
