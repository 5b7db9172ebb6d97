"""Layer maps: unit variance on training rows, no look at the others, a place for every state."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.site import Site
from inscape.read.layer_map import layer_map


@pytest.fixture
def states():
    rng = np.random.default_rng(0)
    sites = [Site(p, layer) for p in ("mlp_out", "resid_post") for layer in range(3)]
    return [(s, rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6)) + 2.0) for s in sites]


def test_components_of_training_rows_have_no_mean_unit_variance_and_are_uncorrelated(states):
    train = np.arange(40)
    found = layer_map(states, ("mlp_out", "resid_post"), 3, 4, train)
    assert found.shape == (50, 3, 8)
    for layer in range(3):
        for k in (0, 4):
            part = found[train, layer, k : k + 4].astype(np.float64)
            assert np.allclose(part.mean(axis=0), 0, atol=1e-5)
            assert np.allclose(part.T @ part / 40, np.eye(4), atol=1e-4)


def test_held_out_rows_change_nothing_and_absent_states_are_zero(states):
    train = np.arange(40)
    before = layer_map(states, ("mlp_out", "resid_post"), 3, 4, train)
    other = [(s, np.where(np.arange(50)[:, None] < 40, x, 99.0)) for s, x in states]
    after = layer_map(other, ("mlp_out", "resid_post"), 3, 4, train)
    assert np.array_equal(before[train], after[train])
    assert not np.allclose(before[40:], after[40:])
    few = layer_map(states[:1], ("mlp_out", "resid_post"), 3, 4, train)
    assert few[:, 0, :4].any()
    assert not few[:, 1:].any()
    assert not few[:, :, 4:].any()


def test_no_states_are_refused():
    with pytest.raises(ValueError, match="no states are given"):
        layer_map([], ("mlp_out",), 2, 4, np.arange(3))


def test_a_mask_of_the_training_rows_is_their_places():
    x = np.random.default_rng(0).normal(size=(12, 4))
    mask = np.arange(12) < 7
    by_mask, by_place = (
        layer_map([(Site("resid_post", 0), x)], ["resid_post"], 1, 3, train)
        for train in (mask, np.flatnonzero(mask))
    )
    assert (by_mask == by_place).all()
