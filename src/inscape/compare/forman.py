"""Forman–Ricci curvature of a graph's edges: a count of what meets at an edge, without a transport
problem to solve.

    plain          F(u, v) = 4 − deg u − deg v
    triangles      F(u, v) = 4 − deg u − deg v + 3 · #{triangles through (u, v)}
    weighted       F(e) = w_e Σ_{x ∈ e} [ 1/w_e − Σ_{e' ∋ x, e' ≠ e} 1/√(w_e w_e') ],  w: strength

Negative where many edges leave an edge's ends and few close a triangle over it: there a graph
spreads as a tree does. Counting triangles makes it rank edges much as Ollivier's curvature
(`inscape.compare.ollivier_ricci`) does. It has no upper bound and grows with the degree, so compare
graphs of one size and one k.

Cost: one product of the adjacency with itself, n · k².
Reference: Sreejith, Mohanraj, Jost, Saucan and Samal (2016), Forman curvature for complex networks,
J. Stat. Mech. 063206, eq. 2; Samal et al. (2018), Scientific Reports 8, §2 (triangles).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_matrix

from inscape.compare.ollivier_ricci import Curvature


def forman(
    graph: Float[np.ndarray, "n n"],
    *,
    kind: str = "triangles",
) -> Curvature:
    """Curvature of every edge of a graph.

    Args:
        graph: symmetric; an edge where it is not 0. For ``"weighted"`` the numbers are strengths
            of edges, not lengths: give 1 / length for a graph of distances.
        kind: which of the three formulas.

    Raises:
        ValueError: a graph that is negative, not symmetric or without an edge, or an unknown
            kind.

    Example:
        >>> triangle = np.ones((3, 3)) - np.eye(3)
        >>> forman(triangle).kappa.tolist(), forman(triangle, kind="plain").kappa.tolist()
        ([3.0, 3.0, 3.0], [0.0, 0.0, 0.0])
    """
    w = np.asarray(graph, dtype=np.float64)
    square = w.ndim == 2 and w.shape[0] == w.shape[1]
    if not square or not np.array_equal(w, w.T) or (w < 0).any() or np.diag(w).any():
        raise ValueError(
            "forman: a graph is symmetric, without negative entries and with zeros on the diagonal"
        )
    if kind not in ("plain", "triangles", "weighted"):
        raise ValueError(f"forman: kind must be plain, triangles or weighted, got {kind!r}")
    edges = np.argwhere(np.triu(w > 0))
    if not len(edges):
        raise ValueError("forman: the graph has no edge")
    u, v = edges.T
    if kind == "weighted":
        root = np.where(w > 0, 1 / np.sqrt(np.where(w > 0, w, 1.0)), 0.0).sum(axis=1)
        own = w[u, v]
        # the sum at each end without the edge itself, which adds 1 / w_e
        ends = root[u] + root[v] - 2 / np.sqrt(own)
        return Curvature(edges, 2 - np.sqrt(own) * ends)
    joined = csr_matrix((w > 0).astype(np.float64))
    degree = np.asarray(joined.sum(axis=1)).ravel()
    kappa = 4 - degree[u] - degree[v]
    if kind == "triangles":
        kappa = kappa + 3 * np.asarray((joined @ joined)[u, v]).ravel()
    return Curvature(edges, kappa)
