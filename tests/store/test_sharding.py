"""Shards are neighbouring runs; identical inputs are found."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.store import sharding
from inscape.store.sharding import cut_into_shards

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=200)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 20))
def test_shards_are_cut_as_one_by_one(rows, most):
    expected, start, held = [], 0, 0
    for i, count in enumerate(rows):
        if held and held + count > most:
            expected.append((start, i))
            start, held = i, 0
        held += count
    assert cut_into_shards(rows, most) == [*expected, *([(start, len(rows))] if rows else [])]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 20))
def test_shards_cover_in_order_within_the_most(rows, most):
    found = cut_into_shards(rows, most)
    assert [i for a, b in found for i in range(a, b)] == list(range(len(rows)))
    assert all(
        sum(rows[a:b]) <= most or b - a == 1 or sum(map(bool, rows[a:b])) == 1 for a, b in found
    )


@pytest.mark.parametrize("module", [sharding])
def test_examples_in_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@given(st.lists(st.binary(max_size=2), max_size=60))
def test_the_first_of_each_and_which_it_is(keys):
    first, which = sharding.unique_inputs(iter(keys))
    seen = list(dict.fromkeys(keys))
    assert [keys[i] for i in first] == seen
    assert first.tolist() == [keys.index(key) for key in seen]
    assert [seen[i] for i in which] == keys
