"""Memory is bounded by the budget and not by the number of rows, shown at a million of them."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from benchmarks import memory

from inscape.core import token_table
from inscape.data import csv_files, gathered
from inscape.data.load import load
from inscape.store.array_inputs import ArrayInputs
from inscape.store.harvest import harvest
from inscape.store.prepare_inputs import prepare_inputs

from .conftest import WORDS


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["harvest", "moments"])
def test_a_million_rows_take_little_more_than_a_hundred_thousand(verb):
    few, many = (memory.measured(verb, rows)["peak"] for rows in (memory.FEW, memory.MANY))
    vectors = 4 * memory.WIDTH * memory.MANY
    assert (
        memory.measured("hold", memory.MANY)["peak"] > 0.95 * vectors
    )  # the watch sees what is held
    assert many < 0.75 * vectors
    assert (
        many - few < 0.4 * vectors
    )  # a hundred bytes a row: hash, id and number, and some of them twice for a moment


def test_what_is_kept_of_every_row_of_an_array_is_its_hash_and_its_number():
    x = np.zeros((5000, 50), dtype=np.float32)
    inputs = ArrayInputs(x, "last")
    assert inputs.lengths.strides == inputs.rows.strides == (0,)  # one number, however many rows
    held = [v for v in vars(inputs).values() if isinstance(v, np.ndarray) and v.strides != (0,)]
    assert sum(v.nbytes for v in held) <= 33 * len(x)
    assert inputs.arrays[""] is x


@pytest.mark.parametrize("at", ["all", "span:head", "mean"])
def test_a_harvest_is_the_same_with_its_tokens_in_a_file(
    model, examples, tmp_path, monkeypatch, at
):
    options = {"at": at, "prompt": "w1 {} w2"}
    held = harvest(model, examples, "resid_post.*", to=tmp_path / "held", **options)
    monkeypatch.setattr(token_table, "HELD", 16)
    inputs = prepare_inputs(model, examples, at, "w1 {} w2", model.select("resid_post.*"))
    assert not inputs.tokens.ids.in_memory
    filed = harvest(model, examples, "resid_post.*", to=tmp_path / "filed", **options)
    assert filed.manifest["key"] == held.manifest["key"]
    assert filed.frame().equals(held.frame())
    for site, x in held.matrices():
        assert np.array_equal(filed.matrix(site), x)


def test_what_is_held_of_an_example_does_not_grow_with_its_text(model, tmp_path, monkeypatch):
    """Counted by Python's and Arrow's own books: examples and what a plan makes of them."""
    monkeypatch.setattr(token_table, "HELD", 1 << 10)
    monkeypatch.setattr(token_table, "_PIECE", 1 << 12)
    monkeypatch.setattr(gathered, "HELD", 1 << 10)
    monkeypatch.setattr(csv_files, "PIECE", 1 << 14)
    held = {}
    for count, words in ((200, 5), (200, 50), (1200, 50)):
        path = tmp_path / "a.csv"
        rng = np.random.default_rng(0)
        rows = (" ".join(rng.choice(WORDS, size=words)) for _ in range(count))
        path.write_text("text,y\n" + "".join(f"{row},{i}\n" for i, row in enumerate(rows)))
        gc.collect()
        before = pa.total_allocated_bytes()
        tracemalloc.start()
        examples = load(path)
        inputs = prepare_inputs(model, examples, "all", None, model.select("embed"), share=False)
        gc.collect()
        held[count, words] = (
            tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes() - before
        )
        tracemalloc.stop()
        assert int(inputs.lengths.sum()) > count * words
        del examples, inputs
    per_example = (held[1200, 50] - held[200, 50]) / 1000
    assert per_example < 150  # a text of 50 words has 180 bytes, and its ids and positions 400
    assert (
        held[200, 50] - held[200, 5] < 200 * 40
    )  # what 45 words more would take is 520 bytes each
