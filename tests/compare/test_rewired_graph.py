"""A rewired graph keeps degrees and lengths, stays in one piece, and loses who is joined to
whom.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from inscape.compare.ollivier_ricci import curvature, neighbour_graph
from inscape.compare.rewired_graph import rewired_graph


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_degrees_and_lengths_stay_and_edges_go():
    was = neighbour_graph(rng().normal(size=(60, 2)), 6, connected=True)
    found = rewired_graph(was, rng=rng(1))
    assert np.array_equal(found, found.T)
    assert np.array_equal((found > 0).sum(axis=0), (was > 0).sum(axis=0))
    assert np.array_equal(np.sort(found[found > 0]), np.sort(was[was > 0]))
    assert nx.is_connected(nx.from_numpy_array(found))
    kept = ((found > 0) & (was > 0)).sum() / (was > 0).sum()
    assert kept < 0.3  # of 60 nodes with 6 to 10 edges each, 0.13 would be kept by chance


def test_a_plane_of_neighbours_curves_up_and_its_rewired_graph_does_not():
    was = neighbour_graph(rng().normal(size=(60, 2)), 6, connected=True)
    joined = [(w > 0).astype(float) for w in (was, rewired_graph(was, rng=rng(1)))]
    local, random = (curvature(w).kappa.mean() for w in joined)
    assert random < 0 < local


def test_refusals():
    two = np.kron(np.eye(2), 1 - np.eye(4))
    with pytest.raises(ValueError, match="must be connected"):
        rewired_graph(two, rng=rng())
    with pytest.raises(ValueError, match="must be symmetric"):
        rewired_graph(np.triu(np.ones((5, 5)), 1), rng=rng())
