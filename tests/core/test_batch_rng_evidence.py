"""The small nouns: random streams by name, evidence with its null, tokens and batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inscape.core import evidence
from inscape.core.batch import Batch, Tokens, collate, tokenize
from inscape.core.errors import DataError
from inscape.core.evidence import Evidence, Null, table
from inscape.core.rng import child_seed, generator, torch_generator
from tests.model.nets import tokenizer


@given(st.integers(0, 2**31), st.lists(st.text(max_size=8), min_size=1, max_size=3))
def test_streams_depend_on_seed_and_every_name(seed, names):
    assert child_seed(seed, *names) == child_seed(seed, *names)
    assert child_seed(seed, *names) != child_seed(seed + 1, *names)
    assert child_seed(seed, *names) != child_seed(seed, *names, "more")


def test_streams_are_independent_of_the_global_one():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    first = generator(0, "a").random(3)
    torch_generator(0, "a")
    assert (np.random.get_state()[1] == before).all()
    assert (generator(0, "a").random(3) == first).all()
    assert (generator(0, "b").random(3) != first).all()


def test_evidence_says_what_chance_gives():
    null = Null.of("shuffled labels", [0.0, 0.1, -0.1, 0.05])
    assert null.draws == 4
    assert null.low < null.mean < null.high
    e = Evidence(
        "R² of latitude", 0.41, (0.30, 0.49), null, p=0.01, n=10, where={"site": "resid_post.3"}
    )
    assert (
        str(e) == "R² of latitude 0.41 [0.30, 0.49], null 0.01 (shuffled labels, 4 draws), p = 0.01"
    )
    frame = table([e, Evidence("bare", 1.0)])
    assert frame.loc[0, ["site", "low", "null"]].tolist() == [
        "resid_post.3",
        0.30,
        "shuffled labels",
    ]
    assert math.isnan(frame.loc[1, "low"])
    above = e.above_chance()
    assert above.value == pytest.approx(0.41 - null.mean)
    assert above.interval == pytest.approx((0.30 - null.mean, 0.49 - null.mean))
    assert (above.null.mean, above.p) == (0.0, e.p)
    with pytest.raises(ValueError, match="bare has no null"):
        Evidence("bare", 1.0).above_chance()
    chance = e.chance()
    assert (chance.value, chance.interval, chance.p) == (null.mean, (null.low, null.high), None)
    assert chance.name == f"{e.name}, {null.kind}"
    with pytest.raises(ValueError, match="chance: bare has no null"):
        Evidence("bare", 1.0).chance()
    with pytest.raises(ValueError, match="at least two finite draws"):
        Null.of("empty", [])
    with pytest.raises(ValueError, match="at least two finite draws"):
        Null.of("nan", [0.0, math.nan])
    with pytest.raises(ValueError, match="one number is a reference"):
        Null.of("one", [0.5])


def test_tokens_keep_offsets_and_what_is_special():
    plain, marked = tokenizer(), tokenizer("[CLS] $A [SEP]")
    one = tokenize(plain, ["the river"])[0]
    assert one.offsets.tolist() == [[0, 3], [4, 9]]
    assert not one.special.any()
    assert tokenize(marked, ["the river"])[0].special.tolist() == [True, False, False, True]
    assert tokenize(marked, ["the river"], add_special_tokens=False)[0].special.sum() == 0
    with pytest.raises(DataError, match=r"text 2 \(''\) gives no tokens; leave it out"):
        tokenize(plain, ["the", ""])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_collation_pads_on_the_right(lengths):
    items = [
        Tokens(np.arange(5, 5 + n), np.zeros((n, 2), np.int64), np.zeros(n, bool)) for n in lengths
    ]
    batch = collate(items, 0, {"even": [i.ids % 2 == 0 for i in items]})
    assert batch.inputs["input_ids"].shape == (len(lengths), max(lengths))
    for row, n in enumerate(lengths):
        assert batch.inputs["input_ids"][row, :n].tolist() == list(range(5, 5 + n))
        assert batch.inputs["attention_mask"][row].sum() == n
        assert not batch.marks["even"][row, n:].any()
    assert batch.lengths.tolist() == lengths
    assert len(batch.to("cpu")) == len(lengths)


def test_batches_of_unequal_inputs_are_refused():
    with pytest.raises(ValueError, match="same, non-zero number of examples"):
        Batch({"a": torch.zeros(2), "b": torch.zeros(3)})


def test_nothing_is_said_to_be_less_than_nothing():
    """A rounded zero has no sign."""
    assert str(Evidence("R²", -0.0, (-0.0, 0.5))) == "R² 0.00 [0.00, 0.50]"
    assert "-0.004" in str(Evidence("R²", -0.004))


def test_a_coordinate_cannot_hide_the_number():
    with pytest.raises(
        ValueError, match="where has direction, value, which a row needs for the number itself"
    ):
        Evidence("R²", 0.4, where={"direction": "north", "value": 3, "site": "embed"})
    row = Evidence("R²", 0.4, where={"site": "embed"}).row()
    assert set(row) - {"site"} == evidence._COLUMNS
