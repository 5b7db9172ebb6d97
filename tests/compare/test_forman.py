"""Curvature that counts: graphs known by hand, and another library's kind of graph."""

import networkx as nx
import numpy as np
import pytest
from scipy.stats import spearmanr

from inscape.compare.forman import forman
from inscape.compare.ollivier_ricci import curvature, neighbour_graph


def test_a_cycle_is_flat_a_tree_spreads_and_a_clique_closes():
    cycle, tree, clique = (
        nx.to_numpy_array(g)
        for g in (nx.cycle_graph(8), nx.balanced_tree(3, 3), nx.complete_graph(6))
    )
    assert forman(cycle).kappa.tolist() == [0.0] * 8
    assert forman(tree).kappa.min() == 4 - 4 - 4
    assert forman(clique, kind="plain").kappa.tolist() == [4.0 - 5 - 5] * 15
    assert forman(clique).kappa.tolist() == [4.0 - 5 - 5 + 3 * 4] * 15


def test_triangles_are_counted_as_networkx_counts_them():
    graph = nx.gnp_random_graph(30, 0.3, seed=1)
    found = forman(nx.to_numpy_array(graph))
    for (u, v), kappa in zip(found.edges.tolist(), found.kappa, strict=True):
        shared = len(list(nx.common_neighbors(graph, u, v)))
        assert kappa == 4 - graph.degree(u) - graph.degree(v) + 3 * shared


def test_strengths_follow_the_formula_and_equal_ones_are_the_plain_kind():
    rng = np.random.default_rng(0)
    w = np.triu(rng.random((7, 7)) * (rng.random((7, 7)) < 0.6), 1)
    w += w.T
    found = forman(w, kind="weighted")
    for (u, v), kappa in zip(found.edges.tolist(), found.kappa, strict=True):
        e, total = w[u, v], 0.0
        for x, other in ((u, v), (v, u)):
            near = [y for y in range(7) if w[x, y] > 0 and y != other]
            total += 1 / e - sum(1 / np.sqrt(e * w[x, y]) for y in near)
        assert kappa == pytest.approx(e * total)
    joined = (w > 0).astype(float)
    plain = forman(joined, kind="plain").kappa
    assert forman(3 * joined, kind="weighted").kappa == pytest.approx(plain)


def test_it_orders_edges_much_as_ollivier_does():
    x = np.random.default_rng(1).normal(size=(60, 2))
    graph = (neighbour_graph(x, 5) > 0).astype(float)
    one, other = forman(graph), curvature(graph)
    assert one.edges.tolist() == other.edges.tolist()
    assert spearmanr(one.kappa, other.kappa).statistic > 0.6


def test_bad_graphs_are_refused():
    with pytest.raises(ValueError, match="symmetric"):
        forman(np.array([[0.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(ValueError, match="no edge"):
        forman(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="plain, triangles or weighted"):
        forman(np.ones((2, 2)) - np.eye(2), kind="lazy")
    with pytest.raises(ValueError, match="zeros on the diagonal"):
        forman(np.ones((2, 2)))
