"""Batches partition the examples, keep the budget and waste little."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.model.batching import batches_by_length

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=200)


@given(LENGTHS, st.integers(1, 400))
def test_batches_partition_within_the_budget(lengths, budget):
    batches = batches_by_length(lengths, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    lengths = np.array(lengths)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget
    longest = [lengths[b].max() for b in batches]
    assert longest == sorted(longest, reverse=True)


def test_batches_waste_less_than_file_order():
    lengths = np.random.default_rng(0).integers(4, 60, 640)
    in_order = sum(32 * lengths[i : i + 32].max() for i in range(0, 640, 32))
    ours = sum(len(b) * lengths[b].max() for b in batches_by_length(lengths, 1024, 40))
    assert in_order > 1.6 * lengths.sum()  # the loop everyone writes does waste
    assert ours < 1.06 * lengths.sum()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=7), st.integers(1, 40), st.integers(0, 12))
def test_the_cuts_are_the_best_there_are(lengths, budget, overhead):
    batches = batches_by_length(lengths, budget, overhead)
    ours = sum(len(b) * max(lengths[i] for i in b) + overhead for b in batches)
    falling = sorted(lengths, reverse=True)
    totals = []
    for cuts in itertools.product([False, True], repeat=len(falling) - 1):
        edges = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), len(falling)]
        parts = [(b - a, falling[a]) for a, b in itertools.pairwise(edges)]
        if all(count == 1 or count * longest <= budget for count, longest in parts):
            totals.append(sum(count * longest + overhead for count, longest in parts))
    assert ours == min(totals)


def test_batches_are_deterministic_and_ties_keep_their_order():
    assert [b.tolist() for b in batches_by_length([5, 5, 5, 5], 10)] == [[0, 1], [2, 3]]


def test_batches_refuse_what_cannot_be_batched():
    with pytest.raises(ValueError, match="token_budget must be at least 1, got 0"):
        batches_by_length([3], 0)
    with pytest.raises(ValueError, match="example 1 has no tokens"):
        batches_by_length([3, 0], 9)
