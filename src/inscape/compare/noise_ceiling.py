"""Noise ceiling: how alike could any model be to measurements that disagree among themselves?

For S dissimilarity matrices of the same items (subjects, seeds, repeats):

    lower = mean over s of sim(r_s, mean of the others)
    upper = mean over s of sim(r_s, mean of all, r_s included)

For rank comparisons ranks are pooled, not values. The upper bound is no evidence of signal: pure
noise gives about 1/√S (0.41 at S = 6). Whether there is any is a test of the lower bound against 0,
which is why it comes with an interval. A model may exceed a ceiling; nothing is clipped.

Cost: S comparisons of n² entries.
Reference: Nili et al. (2014), PLoS Comput. Biol. 10, §4; Schütt et al. (2023), eLife 12.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from inscape.compare.pair_table import PairTable, cosine
from inscape.compare.rsa import dissimilarity_table
from inscape.core.intervals import interval, statistic


@dataclass(frozen=True, eq=False)
class NoiseCeiling:
    """The two bounds.

    Attributes:
        lower: mean similarity of each matrix to the mean of the others.
        upper: mean similarity of each matrix to the mean of all.
        interval: of the lower bound, over matrices; None where there are too few.
        each: similarity of each matrix to the mean of the others, (S,).
    """

    lower: float
    upper: float
    interval: tuple[float, float] | None
    each: Float64[np.ndarray, " s"]


def noise_ceiling(matrices: Float[np.ndarray, "s n n"], *, how: str = "pearson") -> NoiseCeiling:
    """Bounds on what any model can reach.

    Args:
        matrices: dissimilarities of the same items, one matrix for each subject or repeat.
        how: the comparison; not tau-a, whose best mean has no closed form.

    Raises:
        ValueError: fewer than two matrices, or tau-a.
    """
    if how == "tau-a":
        raise ValueError(
            "noise_ceiling: no mean is best for tau-a; use rho-a, which agrees with it closely"
        )
    if len(matrices) < 2:
        raise ValueError(f"noise_ceiling: needs at least two matrices, got {len(matrices)}")
    tables = [dissimilarity_table(m, how=how) for m in matrices]
    # each counts alike: matrices are pooled after they are brought to one length
    pooled = [t.values() / max(float(np.linalg.norm(t.values())), 1e-300) for t in tables]
    total = np.sum(pooled, axis=0)

    def against(i: int, mean: np.ndarray) -> float:
        return cosine(
            PairTable.dense(pooled[i], tables[i].measure), PairTable.dense(mean, tables[i].measure)
        )

    each = np.array([against(i, total - pooled[i]) for i in range(len(tables))])
    upper = float(np.mean([against(i, total) for i in range(len(tables))]))
    ends = interval(statistic(each, np.arange(len(each)))).ends
    return NoiseCeiling(float(each.mean()), upper, ends, each)
