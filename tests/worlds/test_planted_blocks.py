"""Planted blocks: as many edges inside and between as the chances say."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.planted_blocks import planted_blocks


def test_edges_inside_and_between_come_with_their_chances():
    made = planted_blocks((150, 50), 0.4, 0.1, rng=np.random.default_rng(0))
    assert np.array_equal(made.joined, made.joined.T)
    assert not made.joined.diagonal().any()
    assert np.bincount(made.blocks).tolist() == [150, 50]
    same = made.blocks[:, None] == made.blocks
    off = ~np.eye(200, dtype=bool)
    assert made.joined[same & off].mean() == pytest.approx(0.4, abs=0.02)
    assert made.joined[~same].mean() == pytest.approx(0.1, abs=0.02)
