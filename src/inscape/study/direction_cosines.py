"""Do mean differences agree, layer by layer? Cosines between directions found on the same questions, with intervals.

    cos(d_a, d_b),   d = Σ_q x_q        x_q a difference of activations at question q

Groups of questions are drawn again for all directions together, so that differences of cosines have intervals of their own.

Cost: draws × layers × directions sums over groups.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.control.random_directions import matched
from inscape.core import intervals
from inscape.core.evidence import Evidence, Null
from inscape.core.nulls import p_value

Pair = tuple[str, str]


def cosines_by_layer(
    differences: Mapping[str, Float[np.ndarray, "questions layers d"]],
    pairs: Mapping[str, Pair],
    codes: Int[np.ndarray, " questions"],
    *,
    rng: np.random.Generator,
    draws: int = 500,
) -> tuple[pd.DataFrame, dict[str, Float[np.ndarray, "resampled layers"]]]:
    """Cosines of pairs of mean differences at every layer.

    Args:
        differences: name → rows, the same questions for all.
        pairs: series → two names.
        codes: group of each question, 0 … G − 1.
        rng: of the bootstrap.
        draws: of the bootstrap.

    Returns:
        ``series``, ``layer``, ``value``, ``low``, ``high``, as `inscape.charts.layers.score_by_layer` draws them; and every
        draw's cosines, the first of all groups once.
    """
    counts = intervals.group_counts(int(codes.max()) + 1, draws, rng=rng)
    counts = np.vstack([np.ones((1, counts.shape[1]), dtype=counts.dtype), counts]).astype(
        np.float64
    )
    drawn = {
        series: np.empty((draws + 1, next(iter(differences.values())).shape[1])) for series in pairs
    }
    for layer in range(next(iter(drawn.values())).shape[1]):
        found = {}
        for name, x in differences.items():
            d = counts @ intervals.sum_by_group(np.asarray(x[:, layer], dtype=np.float64), codes)
            found[name] = d / np.linalg.norm(d, axis=1, keepdims=True)
        for series, (one, two) in pairs.items():
            drawn[series][:, layer] = (found[one] * found[two]).sum(axis=1)
    rows = []
    for series, values in drawn.items():
        low, high = intervals.percentile(values[1:])
        rows += [
            {
                "series": series,
                "layer": k,
                "value": float(values[0, k]),
                "low": float(low[k]),
                "high": float(high[k]),
            }
            for k in range(values.shape[1])
        ]
    return pd.DataFrame(rows), drawn


def cosine_gap(
    more: Float[np.ndarray, " resampled"],
    less: Float[np.ndarray, " resampled"],
    rows: Float[np.ndarray, "n d"],
    groups: int,
    *,
    rng: np.random.Generator,
    draws: int = 500,
) -> Evidence:
    """How much more one pair agrees than another, beside as many random directions.

    Args:
        more: draws of one pair's cosine at a layer, the first of all groups once.
        less: of the other's; the pairs share a direction.
        rows: activations there; the null's directions have their covariance.
        groups: how many groups were drawn from.
        rng: of the null.
        draws: of the null.
    """
    gap = more - less
    low, high = intervals.percentile(gap[1:])
    random = matched((rows - rows.mean(axis=0))[None], 3 * draws, rng=rng)[:, 0].reshape(
        draws, 3, -1
    )
    null = (random[:, 0] * random[:, 1]).sum(axis=1) - (random[:, 0] * random[:, 2]).sum(axis=1)
    notes = (f"Intervals rest on {groups} groups only.",) if groups < intervals.FEW_GROUPS else ()
    chance = Null.of("random directions with the activations' covariance", null)
    p = float(p_value(float(gap[0]), null))
    return Evidence(
        "cosine of one pair less that of another",
        float(gap[0]),
        (float(low), float(high)),
        chance,
        p,
        n=groups,
        d=rows.shape[1],
        unit="cosine",
        warnings=notes,
    )
