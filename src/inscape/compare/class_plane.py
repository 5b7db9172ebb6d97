"""Do classes lie as far apart in a representation as in a plane in which people place them?

    ρ = Spearman(d², squared distance in the plane)         over pairs of classes

with cross-validated distances (`inscape.compare.class_distances`), and p by permuting classes.
Seven classes are 21 pairs that share ends: their number says little of certainty.

Reference: Mantel (1967), Cancer Research 27.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from inscape.compare.class_distances import class_distances
from inscape.compare.rsa import compare_dissimilarities
from inscape.core.evidence import Evidence
from inscape.core.measured import Measured

PERMUTED = "classes permuted"


def class_plane(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    plane: Float[np.ndarray, "k 2"],
    *,
    rng: np.random.Generator,
    draws: int = 200,
    name: str = "the plane",
) -> Evidence:
    """Rank correlation of the centroids' distances with those in a plane.

    Args:
        x: rows of a representation.
        y: class codes.
        groups: group codes, over which the interval is drawn.
        plane: where each class lies.
        rng: of halves, draws and permutations.
        draws: permutations, and twice as many as bootstrap draws.
        name: of the plane.
    """
    k, count = len(plane), int(groups.max()) + 1
    far = ((plane[:, None] - plane[None]) ** 2).sum(axis=2)

    def rho(near: np.ndarray, order: np.ndarray) -> float:
        return compare_dissimilarities(near, far[np.ix_(order, order)], how="spearman")

    same, found, boots = np.arange(k), class_distances(x, y, groups, rng=rng), []
    null = [rho(found, rng.permutation(k)) for _ in range(draws)]
    for _ in range(draws // 2):
        taken = rng.integers(count, size=count)
        rows = np.concatenate([np.flatnonzero(groups == g) for g in taken])
        renamed = np.repeat(np.arange(count), [(groups == g).sum() for g in taken])
        boots.append(rho(class_distances(x[rows], y[rows], renamed, rng=rng), same))
    what = f"rank correlation of centroid distances with {name}"
    m = Measured(what, unit="Spearman's ρ")
    m.put_resampled("classes", rho(found, same), boots)
    m.put_draws(PERMUTED, null)
    coarse = (
        f"{k} classes make {k * (k - 1) // 2} pairs that share their ends: a correlation of so "
        "few is coarse."
    )
    made = m.value("classes", null=PERMUTED, warnings=(coarse,))
    return replace(made, n=len(y), d=x.shape[1])
