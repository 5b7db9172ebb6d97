"""A rewired graph: the null of a graph whose nodes keep how many edges they have, and lose with whom.

    edges (a, b) and (c, d) become (a, d) and (c, b), five times as often as there are edges

An exchange that would make two edges of one, or part the graph, is not made. Lengths are dealt out
anew among the edges. What still agrees with such a graph is owed to its degrees.

Cost: 5 edges exchanges.
Reference: Maslov and Sneppen (2002), Science 296; Viger and Latapy (2016), J. Complex Networks 4
(graphs that stay connected).
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from jaxtyping import Float, Float64


def rewired_graph(
    weights: Float[np.ndarray, "n n"], *, rng: np.random.Generator
) -> Float64[np.ndarray, "n n"]:
    """Edges with their ends exchanged.

    Args:
        weights: symmetric lengths of edges, 0 for none, such as `inscape.compare.neighbour_graph`
            gives; the graph is connected and has at least four nodes.
        rng: of the exchanges and of the lengths.

    Returns:
        A connected graph in which every node has as many edges as before, with the same lengths.

    Raises:
        ValueError: a graph that is not connected, or lengths that are not symmetric.

    Example:
        >>> ring = np.roll(np.eye(8), 1, axis=1)
        >>> rewired_graph(ring + ring.T, rng=np.random.default_rng(0)).sum(axis=0).tolist()
        [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    """
    if not np.array_equal(weights, weights.T):
        raise ValueError("rewired_graph: lengths of edges must be symmetric")
    graph = nx.from_numpy_array((weights > 0).astype(float))
    if len(graph) < 4 or not nx.is_connected(graph):
        raise ValueError("rewired_graph: the graph must be connected, of at least four nodes")
    many = 5 * graph.number_of_edges()
    nx.connected_double_edge_swap(graph, many, seed=int(rng.integers(2**31)))
    a, b = np.array(graph.edges).T
    out = np.zeros_like(weights)
    out[a, b] = rng.permutation(weights[np.triu(weights) > 0])
    return np.maximum(out, out.T)
