"""Curvature of graphs whose curvature is known, and communities that were planted."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from inscape.compare.ollivier_ricci import (
    communities,
    curvature,
    modularity,
    neighbour_graph,
    ricci_flow,
)


def table(graph: nx.Graph) -> np.ndarray:
    return nx.to_numpy_array(graph)


@pytest.mark.parametrize("idle", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("n", [3, 6])
def test_a_complete_graph_curves_up(n, idle):
    expected = 1 - abs(idle - (1 - idle) / (n - 1))
    assert curvature(table(nx.complete_graph(n)), idle=idle).kappa == pytest.approx(expected)


def test_a_long_cycle_and_a_grid_are_flat_and_a_tree_curves_down():
    assert curvature(table(nx.cycle_graph(9))).kappa == pytest.approx(0, abs=1e-9)
    grid = table(nx.grid_2d_graph(6, 6, periodic=True))
    assert curvature(grid, idle=0.5).kappa == pytest.approx(0, abs=1e-9)
    tree = nx.balanced_tree(2, 4)
    edges, kappa = curvature(table(tree), idle=0.5)
    degree = np.array([tree.degree(i) for i in range(len(tree))])
    a, b = degree[edges].T
    inner = (a > 1) & (b > 1)
    assert inner.any()
    assert kappa[inner] == pytest.approx(-(1 - 1 / a - 1 / b)[inner])


def test_curvature_has_no_unit_and_the_mean_is_taken_at_nodes():
    x = np.random.default_rng(0).normal(size=(40, 3))
    one, other = (curvature(neighbour_graph(s * x, 4)) for s in (1.0, 7.0))
    assert one.kappa == pytest.approx(other.kappa, abs=1e-6)
    node = one.by_node(40)
    at = (one.edges == 5).any(axis=1)
    assert node[5] == pytest.approx(one.kappa[at].mean())
    assert np.isnan(one.by_node(41)[40])


def test_edges_join_an_item_to_its_nearest_with_their_distance():
    x = np.array([[0.0], [1.0], [3.0], [10.0]])
    found = neighbour_graph(x, 1)
    assert found.tolist() == [[0, 1, 0, 0], [1, 0, 2, 0], [0, 2, 0, 7], [0, 0, 7, 0]]


def test_planted_blocks_are_found_and_their_bridges_curve_down():
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1], 20)
    chance = np.where(truth[:, None] == truth, 0.5, 0.03)
    upper = np.triu(rng.random((40, 40)) < chance, 1).astype(float)
    graph = upper + upper.T
    edges, kappa = curvature(graph)
    within = truth[edges[:, 0]] == truth[edges[:, 1]]
    assert kappa[within].mean() > kappa[~within].mean() + 0.2
    found = communities(ricci_flow(graph, 10))
    assert adjusted_mutual_info_score(truth, found) >= 0.9
    assert modularity(graph, truth) > modularity(graph, rng.permutation(truth)) + 0.2
    expected = nx.community.modularity(
        nx.from_numpy_array(graph), [set(range(20)), set(range(20, 40))]
    )
    assert modularity(graph, truth) == pytest.approx(expected)


def test_refusals():
    with pytest.raises(ValueError, match="symmetric and not negative"):
        curvature(np.triu(np.ones((3, 3))))
    with pytest.raises(ValueError, match="idle must be"):
        curvature(table(nx.cycle_graph(4)), idle=1.0)
    with pytest.raises(ValueError, match="rate must be"):
        ricci_flow(table(nx.cycle_graph(4)), rate=0.9)


def test_pairs_of_another_graph_have_a_curvature_where_there_is_a_path():
    x = np.random.default_rng(0).normal(size=(30, 3))
    graph = neighbour_graph(x, 3, connected=True)
    every = curvature(graph)
    some = curvature(graph, pairs=every.edges[::3])
    assert some.kappa == pytest.approx(every.kappa[::3], abs=1e-9)
    # two ends of a path of three edges, whose ends have one neighbour each: both masses move the
    # same way
    path = table(nx.path_graph(4))
    far = curvature(path, idle=0.0, pairs=np.array([[0, 3]])).kappa
    assert far == pytest.approx(1 - 1 / 3)
    with pytest.raises(ValueError, match="no path between the nodes of a pair"):
        curvature(np.kron(np.eye(2), path), pairs=np.array([[0, 5]]))


def test_a_spanning_tree_joins_what_neighbours_leave_apart():
    x = np.concatenate([np.arange(5.0), 100 + np.arange(5.0)])[:, None]
    apart, joined = (neighbour_graph(x, 2, connected=c) for c in (False, True))
    assert nx.number_connected_components(nx.from_numpy_array(apart)) == 2
    assert nx.is_connected(nx.from_numpy_array(joined))
    assert joined[4, 5] == 96
    assert (joined > 0).sum() == (apart > 0).sum() + 2


def test_loops_repeated_items_and_graphs_without_an_edge_are_refused():
    with pytest.raises(ValueError, match="an edge to itself; set the diagonal to 0"):
        curvature(np.ones((4, 4)))
    with pytest.raises(ValueError, match="two items are the same, and an edge of length 0 is none"):
        neighbour_graph(np.array([[0.0], [0.0], [1.0], [2.0]]), 1)
    with pytest.raises(ValueError, match="communities: the graph has no edge"):
        communities(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="modularity: the graph has no edge"):
        modularity(np.zeros((3, 3)), np.zeros(3, dtype=int))
