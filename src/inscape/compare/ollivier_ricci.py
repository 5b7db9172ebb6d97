"""Ollivier–Ricci curvature of a graph's edges, and communities by Ricci flow: the local shape of a
representation.

    κ(x, y) = 1 − W₁(m_x, m_y) / d(x, y)      m_x: mass α on x, the rest evenly on its neighbours (a lazy walk's step)
    flow:  w ← w (1 − ε κ),  rescaled to its first sum;  then heavy edges are cut where modularity is highest

Edges inside a dense group curve up and shrink; those between groups curve down and grow. W₁ is
exact, by linear programming on what the two measures do not share; d is the shortest path.

Cost: one shortest-path table, n² log n, and a linear program of (degree + 1)² variables an edge; as
much each step of the flow.
Reference: Ollivier (2009), J. Funct. Anal. 256; Ni, Lin, Luo and Gao (2019), Community detection on
networks with Ricci flow, Scientific Reports 9 (flow and cut); Lin, Lu and Yau (2011) for trees and
complete graphs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, kron
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree, shortest_path
from scipy.spatial.distance import pdist, squareform

from inscape.core.item_rows import checked_rows
from inscape.core.neighbours import neighbours


class Curvature(NamedTuple):
    """Curvature of each edge.

    Attributes:
        edges: its ends, the lesser first, (m, 2).
        kappa: its curvature, (m,); at most 1.
    """

    edges: Int[np.ndarray, "m 2"]
    kappa: Float64[np.ndarray, " m"]

    def by_node(self, n: int) -> Float64[np.ndarray, " n"]:
        """Mean curvature of the edges at each of n nodes; NaN where there are none."""
        total, count = np.zeros(n), np.zeros(n)
        for side in self.edges.T:
            np.add.at(total, side, self.kappa)
            np.add.at(count, side, 1)
        return np.divide(total, count, out=np.full(n, np.nan), where=count > 0)


def neighbour_graph(
    x: Float[np.ndarray, "n d"], k: int = 8, *, connected: bool = False
) -> Float64[np.ndarray, "n n"]:
    """Euclidean distances along edges between items of which one is among the other's k nearest; 0
    elsewhere.

    Args:
        x: (n, d).
        k: neighbours.
        connected: add the edges of the minimum spanning tree, so that there is a path between any
            two items.

    Raises:
        ValueError: fewer than two items, what is no finite number, or neighbours at a distance of
            0, which would be no edge.
    """
    rows = checked_rows(x, "neighbour_graph: x", least=2)
    near = neighbours(rows, rows, k, metric="euclidean", exclude_self=True).index
    out = np.zeros((len(rows), len(rows)))
    for i, own in enumerate(near):
        out[i, own] = np.linalg.norm(rows[own] - rows[i], axis=1)
        if not out[i, own].all():
            raise ValueError(
                "neighbour_graph: two items are the same, and an edge of length 0 is none; give "
                "each item once"
            )
    if connected:
        out = np.maximum(out, minimum_spanning_tree(squareform(pdist(rows))).toarray())
    return np.maximum(out, out.T)


def curvature(
    weights: Float[np.ndarray, "n n"],
    *,
    idle: float = 0.5,
    pairs: Int[np.ndarray, "m 2"] | None = None,
) -> Curvature:
    """Curvature of every edge of a graph, or of any pairs of its nodes.

    Args:
        weights: symmetric lengths of edges; 0 for no edge.
        idle: α, the mass that stays.
        pairs: nodes between which there is a path, in place of the graph's edges: the edges of
            another graph of the same items.

    Raises:
        ValueError: lengths that are negative or not symmetric, an edge from a node to itself, no
            edge, α outside [0, 1), or a pair without a path.

    Example:
        >>> square = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]], dtype=float)
        >>> curvature(square, idle=0.0).kappa.round(9).tolist()
        [0.0, 0.0, 0.0, 0.0]
    """
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim != 2 or not np.array_equal(w, w.T) or (w < 0).any() or not (w > 0).any():
        raise ValueError(
            "curvature: lengths of edges must be symmetric and not negative, with at least one edge"
        )
    if np.diag(w).any():
        raise ValueError("curvature: a node has an edge to itself; set the diagonal to 0")
    if not 0 <= idle < 1:
        raise ValueError(f"curvature: idle must be from 0 up to below 1, got {idle}")
    far = shortest_path(csr_matrix(w), directed=False)
    joined = w > 0
    mass = np.where(joined, (1 - idle) / np.maximum(joined.sum(axis=1), 1)[:, None], 0.0)
    mass[np.diag_indices(len(w))] = idle
    edges = np.argwhere(np.triu(joined)) if pairs is None else np.asarray(pairs)
    if not np.isfinite(far[tuple(edges.T)]).all():
        raise ValueError(
            "curvature: there is no path between the nodes of a pair; connect the graph"
        )
    moved = [_transport(mass[x] - mass[y], far) for x, y in edges]
    return Curvature(edges, 1 - np.array(moved) / far[tuple(edges.T)])


def _transport(gap: Float64[np.ndarray, " n"], far: Float64[np.ndarray, "n n"]) -> float:
    """W₁ of the positive and the negative part of a difference of measures: what both share stays
    where it is.
    """
    give, take = np.flatnonzero(gap > 1e-15), np.flatnonzero(gap < -1e-15)
    if not len(give):
        return 0.0
    supply, demand = gap[give], -gap[take]
    demand = demand * (
        supply.sum() / demand.sum()
    )  # equal to rounding, which the solver wants exactly
    s, t = len(give), len(take)
    rows = kron(np.eye(s), np.ones((1, t))), kron(np.ones((1, s)), np.eye(t))
    limits = np.concatenate([np.asarray(r.toarray()) for r in rows])
    found = linprog(
        far[np.ix_(give, take)].ravel(),
        A_eq=limits[:-1],  # the last follows from the others
        b_eq=np.concatenate([supply, demand])[:-1],
        method="highs",
    )
    return float(found.fun)


def ricci_flow(
    weights: Float[np.ndarray, "n n"], steps: int = 20, *, rate: float = 0.5, idle: float = 0.5
) -> Float64[np.ndarray, "n n"]:
    """Lengths after so many steps of the flow.

    Args:
        weights: as in `curvature`.
        steps: how many.
        rate: ε; at most 0.5, so that no length becomes negative.
        idle: as in `curvature`.

    Raises:
        ValueError: a rate outside (0, 0.5], or as in `curvature`.
    """
    if not 0 < rate <= 0.5:
        raise ValueError(f"ricci_flow: rate must be above 0 and up to 0.5, got {rate}")
    w = np.array(weights, dtype=np.float64)
    total = w.sum()
    for _ in range(steps):
        edges, kappa = curvature(w, idle=idle)
        a, b = edges.T
        # an edge is as long as the shortest path between its ends
        far = shortest_path(csr_matrix(w), directed=False)[a, b] * (1 - rate * kappa)
        w[a, b] = w[b, a] = np.maximum(far, 1e-9)
        w *= total / w.sum()
    return w


def communities(flowed: Float[np.ndarray, "n n"]) -> Int[np.ndarray, " n"]:
    """Components that are left when the heaviest edges are cut, at the cut where modularity is
    highest.

    Args:
        flowed: lengths after the flow.

    Returns:
        The community of each node, 0, 1, ….

    Raises:
        ValueError: a graph without an edge.
    """
    w = np.asarray(flowed, dtype=np.float64)
    if not (w > 0).any():
        raise ValueError("communities: the graph has no edge")
    joined = (w > 0).astype(np.float64)
    best, labels = -np.inf, np.zeros(len(w), dtype=np.int64)
    for cut in np.unique(np.quantile(w[w > 0], np.linspace(0.2, 1, 81))):
        _, own = connected_components(csr_matrix((w > 0) & (w <= cut)), directed=False)
        found = modularity(joined, own)
        if found > best + 1e-12:
            best, labels = found, own.astype(np.int64)
    return labels


def modularity(joined: Float[np.ndarray, "n n"], labels: Int[np.ndarray, " n"]) -> float:
    """Share of edges inside communities less what the degrees alone would give (Newman and Girvan
    2004).

    Raises:
        ValueError: a graph without an edge.
    """
    if not joined.sum() > 0:
        raise ValueError("modularity: the graph has no edge")
    degree, total = joined.sum(axis=1), joined.sum()
    same = labels[:, None] == labels
    return float((joined[same].sum() - (np.outer(degree, degree)[same]).sum() / total) / total)
