"""The map of layers: against CKA pair by pair, with its intervals and null, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.compare.linear_cka import linear_cka, linear_table
from inscape.compare.linear_cka_map import linear_cka_map
from inscape.compare.shifts import shifts
from inscape.compare.similarity_map import similarity_map


@pytest.fixture
def layers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4))
    return [x, x @ rng.normal(size=(4, 9)), rng.normal(size=(40, 3))]


def test_every_pair_is_the_cka_of_two_layers(layers):
    found = linear_cka_map(layers).values
    across = linear_cka_map((h for h in layers), iter(layers[:2])).values
    assert found.shape == (3, 3)
    assert across.shape == (3, 2)
    for i, x in enumerate(layers):
        for j, y in enumerate(layers):
            assert found[i, j] == pytest.approx(linear_cka(x, y), abs=1e-10)
    np.testing.assert_allclose(across, found[:, :2], atol=1e-12)
    assert found[0, 1] > 0.5 > abs(found[0, 2])


def test_groups_and_null_are_those_of_any_map(layers):
    moved = shifts(40, 19, rng=np.random.default_rng(1))
    groups = np.repeat(np.arange(10), 4)
    found = linear_cka_map(layers, groups=groups, shifts=moved)
    slow = similarity_map([linear_table(h) for h in layers], groups=groups, shifts=moved)
    np.testing.assert_array_equal(found.draws, slow.draws)
    assert found.draws.shape == (19, 3, 3)
    assert found.interval(0, 1) == slow.interval(0, 1)
    assert found.interval(0, 1) != linear_cka_map(layers).interval(0, 1)


def test_refusals(layers):
    with pytest.raises(ValueError, match="similarity_map: there are no tables"):
        linear_cka_map([])
    with pytest.raises(ValueError, match="tables of 40 and of 39 items"):
        linear_cka_map(layers, [layers[0][1:]])
    with pytest.raises(ValueError, match="tells none of the 40 items apart"):
        linear_cka_map([layers[0], np.ones((40, 2))])
