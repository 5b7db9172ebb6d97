"""Flat arrays give back the tokens they were made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.core import token_table
from inscape.core.batch import Tokens
from inscape.core.token_table import FlatArray, Picked, Ragged, TokenTable


def tokens(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Tokens(rng.integers(0, 50_000, n), rng.integers(0, 99, (n, 2)), rng.random(n) < 0.3)
        for n in lengths
    ]


@given(st.lists(st.integers(0, 40), max_size=20), st.booleans())
def test_a_table_gives_back_what_was_put_in(lengths, offsets):
    given_ = tokens(lengths)
    table = TokenTable(iter(given_), offsets=offsets)
    assert len(table) == len(given_)
    for own, found in zip(given_, table, strict=True):
        assert found.ids.dtype == np.int64
        assert (found.ids == own.ids).all()
        assert (found.special == own.special).all()
        assert (found.offsets == (own.offsets if offsets else 0)).all()


def test_tokens_take_a_few_bytes_each():
    table = TokenTable(tokens([1000] * 50), offsets=False)
    assert table.ids.nbytes == 4 * 50_000
    assert table._special._flat.nbytes == 50_000 // 8


@given(st.lists(st.integers(0, 40), max_size=20), st.booleans())
def test_what_is_more_than_memory_should_hold_lies_in_a_file(lengths, offsets):
    given_ = tokens(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_table, "HELD", 200)
        patch.setattr(token_table, "_PIECE", 40)
        table = TokenTable(iter(given_), offsets=offsets)
    assert table.ids.in_memory == (table.ids.nbytes <= 200)
    for own, found in zip(given_, table, strict=True):
        assert (found.ids == own.ids).all()
        assert (found.special == own.special).all()
        assert (found.offsets == (own.offsets if offsets else 0)).all()


def test_many_short_arrays_are_put_together_before_they_are_many(monkeypatch):
    monkeypatch.setattr(token_table, "_PARTS", 7)
    ragged = Ragged(np.arange(n % 3) for n in range(100))
    assert len(ragged.flat._waiting) == 0
    assert [x.tolist() for x in ragged] == [list(range(n % 3)) for n in range(100)]


def test_ragged_arrays_are_indexed_like_a_list():
    ragged = Ragged([np.arange(3), np.arange(2)])
    assert ragged[-1].tolist() == [0, 1]
    assert [x.tolist() for x in ragged[:1]] == [[0, 1, 2]]
    assert ragged.lengths.tolist() == [3, 2]
    with pytest.raises(IndexError, match="there are 2 examples, asked for 2"):
        ragged[2]
    assert len(Ragged([])) == 0


def test_places_beyond_four_bytes_are_kept_in_eight(monkeypatch):
    monkeypatch.setattr(token_table, "_SHORT", 5)
    parts = [np.arange(n) for n in (3, 2, 0, 4, 1)]
    ragged = Ragged(parts)
    assert ragged.starts.dtype == np.int64
    assert ragged.lengths.tolist() == [3, 2, 0, 4, 1]
    assert [x.tolist() for x in ragged] == [x.tolist() for x in parts]
    assert Ragged(parts[:2]).starts.dtype == np.uint32


def test_a_number_that_does_not_fit_is_refused():
    ids = FlatArray(np.int32)
    ids.add(np.array([1, 2**31]))
    with pytest.raises(ValueError, match="2147483648 or 1 is no int32"):
        ids.close()


def test_picked_items_are_looked_up():
    found = Picked(["a", "b", "c"], np.array([2, 0]))
    assert list(found) == ["c", "a"]
    assert found[0:2] == ["c", "a"]
