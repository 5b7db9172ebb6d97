"""A matched token is another one of about the same frequency."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.read.matched_tokens import matched_tokens, token_counts
from inscape.worlds.lexicon import lexicon


def test_a_matched_token_is_another_one_of_about_its_frequency():
    rng = np.random.default_rng(0)
    counts = rng.permutation(np.concatenate([np.arange(1, 200), np.zeros(50, dtype=int)]))
    true = rng.choice(np.flatnonzero(counts), 500)
    other = matched_tokens(true, counts, 10, rng=rng)
    assert (other != true).all()
    assert (counts[other] > 0).all()
    assert np.abs(counts[other] - counts[true]).max() <= 10
    unseen = matched_tokens(np.flatnonzero(counts == 0)[:5], counts, 10, rng=rng)
    assert (counts[unseen] <= 12).all()


def test_tokens_are_counted_over_all_sources():
    world = lexicon(steps=1)
    few = world.documents.take(np.arange(5))
    once, twice = (token_counts(world.model, [few] * k) for k in (1, 2))
    assert once.sum() == sum(len(t) for t in world.model.tokenize(few.texts()))
    assert np.array_equal(twice, 2 * once)


def test_a_match_needs_another_token():
    rng = np.random.default_rng(0)
    for counts, near in ((np.array([5, 0, 0]), 1), (np.array([5, 4]), 0)):
        with pytest.raises(ValueError, match="two tokens that occur and near of at least 1"):
            matched_tokens(np.array([0]), counts, near, rng=rng)
