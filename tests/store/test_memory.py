"""Memory is bounded by the budget and not by the number of rows, shown at a million of them."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import memory

from inscape.core import token_table
from inscape.store.arrays import ArrayInputs
from inscape.store.feed import inputs_of
from inscape.store.harvest import harvest


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
    inputs = inputs_of(model, examples, at, "w1 {} w2", model.select("resid_post.*"))
    assert not inputs.tokens.ids.in_memory
    filed = harvest(model, examples, "resid_post.*", to=tmp_path / "filed", **options)
    assert filed.manifest["key"] == held.manifest["key"]
    assert filed.frame().equals(held.frame())
    for site, x in held.matrices():
        assert np.array_equal(filed.matrix(site), x)
