"""Centroids of classes beside a plane in which people place them: are classes far apart here that are far apart there?

    d²_ab = (μ_a − μ_b)|half 1 · (μ_a − μ_b)|half 2        cross-validated: zero on average where centroids are equal
    ρ = Spearman(d², squared distance in the plane)         over pairs of classes, p by permuting classes (Mantel)

Squared distances between estimated means are biased upwards by noise; a product over two halves of the groups is not.
Seven classes are 21 pairs that share ends: their number says little of certainty, which is why classes are permuted.

Reference: Walther et al. (2016), NeuroImage 137 (cross-validated distances); Mantel (1967), Cancer Research 27.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from inscape.core import intervals
from inscape.core.evidence import Evidence, Null
from inscape.core.nulls import p_value


def crossed_distances(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    *,
    rng: np.random.Generator,
) -> Float[np.ndarray, "k k"]:
    """Cross-validated squared distances between class centroids, the mean over ten splits of the groups in halves.

    Args:
        x: rows.
        y: class codes, every class in every half.
        groups: group codes.
        rng: of the halves.
    """
    k, count = int(y.max()) + 1, int(groups.max()) + 1
    out = np.zeros((k, k))
    for _ in range(10):
        first = (rng.permutation(count) < count // 2)[groups]
        halves = [
            np.stack([x[h & (y == c)].mean(axis=0, dtype=np.float64) for c in range(k)])
            for h in (first, ~first)
        ]
        gaps = [m[:, None] - m[None] for m in halves]
        out += (gaps[0] * gaps[1]).sum(axis=2) / 10
    return out


def circle_evidence(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    plane: Float[np.ndarray, "k 2"],
    *,
    rng: np.random.Generator,
    draws: int = 200,
) -> Evidence:
    """Rank correlation of the centroids' distances with those in a plane.

    Args:
        x: rows of a representation.
        y: class codes.
        groups: group codes, over which the interval is drawn.
        plane: where each class lies.
        rng: of halves, draws and permutations.
        draws: bootstrap draws and permutations.
    """
    k = len(plane)
    pairs = np.array(list(combinations(range(k), 2)))
    far = ((plane[:, None] - plane[None]) ** 2).sum(axis=2)
    found = crossed_distances(x, y, groups, rng=rng)

    def rho(near: np.ndarray, order: np.ndarray) -> float:
        a, b = near[pairs[:, 0], pairs[:, 1]], far[np.ix_(order, order)][pairs[:, 0], pairs[:, 1]]
        return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])

    same = np.arange(k)
    null = [rho(found, rng.permutation(k)) for _ in range(draws)]
    count, boots = int(groups.max()) + 1, []
    for _ in range(draws // 2):
        taken = rng.integers(count, size=count)
        rows = np.concatenate([np.flatnonzero(groups == g) for g in taken])
        renamed = np.repeat(np.arange(count), [(groups == g).sum() for g in taken])
        boots.append(rho(crossed_distances(x[rows], y[rows], renamed, rng=rng), same))
    value = rho(found, same)
    ends = intervals.percentile(np.array(boots))
    notes = (
        f"{k} classes make {len(pairs)} pairs that share their ends: a correlation of so few is coarse.",
    )
    p = float(p_value(value, np.array(null)))
    return Evidence(
        "rank correlation of centroid distances with the circle of affect",
        value,
        (float(ends[0]), float(ends[1])),
        Null.of("classes permuted", null),
        p,
        n=len(y),
        d=x.shape[1],
        unit="Spearman's ρ",
        warnings=notes,
    )
