"""Tables of groups: their axioms, and projections that are those of their representations."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.group_tables import cyclic_table, symmetric_table

GROUPS = {
    "odd": lambda: cyclic_table(7),
    "even": lambda: cyclic_table(6),
    "permutations": symmetric_table,
}


@pytest.mark.parametrize("make", GROUPS.values(), ids=GROUPS)
def test_it_is_a_group(make):
    t = make().table
    n = len(t)
    np.testing.assert_array_equal(t[0], np.arange(n))
    np.testing.assert_array_equal(t[:, 0], np.arange(n))
    assert all(sorted(row) == list(range(n)) for row in [*t, *t.T])
    np.testing.assert_array_equal(t[t], t[np.arange(n)[:, None, None], t])  # associative


@pytest.mark.parametrize("make", GROUPS.values(), ids=GROUPS)
def test_projections_split_the_functions_of_the_group(make):
    group = make()
    p = group.projections
    assert len(p) == len(group.names)
    np.testing.assert_allclose(p.sum(axis=0), np.eye(len(group.table)), atol=1e-12)
    for i, one in enumerate(p):
        for j, two in enumerate(p):
            np.testing.assert_allclose(one @ two, one * (i == j), atol=1e-12)
        np.testing.assert_allclose(one, one.T, atol=1e-12)
        # multiplying by an element mixes no components
        moved = np.eye(len(group.table))[group.table[3]]
        np.testing.assert_allclose(moved @ one, one @ moved, atol=1e-12)
    np.testing.assert_allclose(p[0], 1 / len(group.table))


def test_components_hold_what_their_names_say():
    wave = np.cos(0.3 + 2 * np.pi * 2 * np.arange(7) / 7)
    np.testing.assert_allclose(cyclic_table(7).projections[2] @ wave, wave, atol=1e-12)
    group = symmetric_table()
    sizes = [round(float(np.trace(p))) for p in group.projections]
    assert sizes == [d**2 for d in (1, 1, 2, 3, 3)]
    # where a permutation puts the first thing: constant and standard alone
    first = np.repeat(np.arange(4), 6) == 0
    held = group.projections @ (first - first.mean())
    assert np.linalg.norm(held[3]) > 1
    assert np.abs(held[[0, 1, 2, 4]]).max() < 1e-12


def test_a_shuffled_table_has_the_same_entries_and_no_structure():
    group = cyclic_table(7)
    found = group.shuffled(rng=np.random.default_rng(0))
    assert np.bincount(found.table.ravel()).tolist() == [7] * 7
    assert any(len(set(row)) < 7 for row in found.table)
    with pytest.raises(ValueError, match="p must be at least 2"):
        cyclic_table(1)
