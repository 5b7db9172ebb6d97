"""Persistent homology: how many pieces, loops and hollows does a cloud of items have, and at how
many scales?

Items closer than a scale r are joined; as r grows, pieces merge (dimension 0), loops open and
are filled (1), hollows likewise (2). Each is born at one scale and dies at another; those that live
long are the cloud's shape, the short ones its sampling. The filtration is Vietoris–Rips, built by
gudhi: ``pip install 'inscape[topology]'``.

Lifetimes are in units of the distances and depend on how many items there are: compare clouds of
the same number of items, over several subsamples (`subsampled_persistence`), and test a
difference by permuting what belongs to which cloud, not by eye.

Cost: edges are collapsed first, which changes no diagram; loops of 300 items in ten dimensions took
0.6 s, of 1,000 in three 7 s, in fifty 84 s and 2 GB.
Reference: Edelsbrunner, Letscher and Zomorodian (2002), Discrete Comput. Geom. 28; Boissonnat and
Pritam (2020), SoCG (edge collapse); the GUDHI project, https://gudhi.inria.fr.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.spatial.distance import pdist, squareform

from inscape.core.errors import InscapeError
from inscape.core.item_rows import checked_rows

#: items above which `persistence` asks for a subsample
MOST = 500


@dataclass(frozen=True, eq=False)
class Persistence:
    """Births and deaths of a cloud's features.

    Attributes:
        diagrams: for each dimension, (births, deaths) sorted by lifetime, longest first, (k, 2).
            The one piece that never dies is left out.
        scale: median distance of two items, to make lifetimes comparable between spaces.
    """

    diagrams: tuple[Float64[np.ndarray, "_ 2"], ...]
    scale: float

    def lifetimes(self, dimension: int) -> Float64[np.ndarray, " _"]:
        """Death − birth over the median distance, longest first.

        Raises:
            ValueError: a dimension that was not computed.
        """
        if not 0 <= dimension < len(self.diagrams):
            raise ValueError(
                f"Persistence: dimensions 0 to {len(self.diagrams) - 1} were computed, not "
                f"{dimension}; ask `persistence` for it"
            )
        born, died = self.diagrams[dimension].T
        return (died - born) / self.scale

    def longest(self, dimension: int) -> float:
        """The longest lifetime, 0 where there is no feature."""
        found = self.lifetimes(dimension)
        return float(found[0]) if len(found) else 0.0

    def total(self, dimension: int, power: float = 1.0) -> float:
        """Sum of the lifetimes to a power: total persistence."""
        return float((self.lifetimes(dimension) ** power).sum())


def persistence(x: Any, *, dimension: int = 1) -> Persistence:
    """Persistent homology of items under Euclidean distance.

    Args:
        x: (n, d), n at most 500.
        dimension: highest dimension: 0 pieces, 1 loops, 2 hollows.

    Raises:
        ValueError: too many or too few items, items most of whose pairs are the same, or a
            dimension below 0.
        InscapeError: gudhi is not installed.
    """
    rows = checked_rows(x, "persistence: x", least=3)
    if dimension < 0:
        raise ValueError(f"persistence: dimension must be 0 or more, got {dimension}")
    if len(rows) > MOST:
        raise ValueError(
            f"persistence: {len(rows)} items are too many ({MOST} at most); use "
            "subsampled_persistence, which draws some several times"
        )
    try:
        import gudhi
    except ImportError:
        raise InscapeError(
            "persistence needs the gudhi library; install it with: pip install 'inscape[topology]'."
        ) from None
    near = pdist(rows)
    if not near.max() > 0:
        raise ValueError("persistence: all items are the same, so there is no shape")
    if not np.median(near) > 0:
        raise ValueError(
            "persistence: most pairs of items are the same, so lifetimes have no scale; give each "
            "item once"
        )
    far = squareform(near)
    # at the radius of the whole cloud everything is one piece without a hole
    reach = float(far.max(axis=1).min())
    tree = gudhi.RipsComplex(distance_matrix=far, max_edge_length=reach).create_simplex_tree(1)
    if dimension > 0:
        tree.collapse_edges()  # the same diagrams from far fewer simplices
        tree.expansion(dimension + 1)
    tree.compute_persistence()
    found = [
        np.asarray(tree.persistence_intervals_in_dimension(k), dtype=np.float64).reshape(-1, 2)
        for k in range(dimension + 1)
    ]
    finite = [f[np.isfinite(f[:, 1])] for f in found]
    ordered = tuple(f[np.argsort(f[:, 0] - f[:, 1], kind="stable")] for f in finite)
    return Persistence(ordered, float(np.median(near)))


def subsampled_persistence(
    x: Any, *, items: int = 200, trials: int = 10, dimension: int = 1, rng: np.random.Generator
) -> Float64[np.ndarray, "trials dimensions"]:
    """Longest lifetime of each dimension in subsamples, over each one's median distance.

    Args:
        x: (n, d).
        items: of a subsample, drawn without replacement; the same for clouds that are compared.
        trials: subsamples. Their deviation says how much the sampling moves the result.
        dimension: as in `persistence`.
        rng: of the draws.

    Raises:
        ValueError: as in `persistence`, or fewer rows than `items`.
    """
    rows = checked_rows(x, "subsampled_persistence: x", least=3)
    if len(rows) < items or trials < 2:
        raise ValueError(
            f"subsampled_persistence: {items} of {len(rows)} items, {trials} trials; give at most "
            "as many items as there are and at least 2 trials"
        )
    drawn = [rng.choice(len(rows), size=items, replace=False) for _ in range(trials)]
    found = [persistence(rows[own], dimension=dimension) for own in drawn]
    return np.array([[f.longest(k) for k in range(dimension + 1)] for f in found])
