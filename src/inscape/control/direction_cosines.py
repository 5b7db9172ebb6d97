"""Do mean differences agree, layer by layer? Cosines between directions found on the same groups of
questions.

    cos(d_a, d_b)        d = Σ_q x_q, or the mean of the rows of one class less that of the other

Every direction is kept with what it would be without each group, so that a cosine, or the
difference of two, is jackknifed over groups (`inscape.core.jackknife`). The null of a difference of
cosines is that of three random directions with the activations' covariance: cos(u₁, u₂) − cos(u₁,
u₃).

Cost: sums over groups for each direction and layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from inscape.control.random_directions import matched
from inscape.core import intervals
from inscape.core.jackknife import Jackknife
from inscape.core.measured import Measured

Pair = tuple[str, str]
#: a direction of all groups, then without each group in turn, (1 + groups, layers, d)
HeldOut = Float[np.ndarray, "held layers d"]


def mean_direction(x: Float[np.ndarray, "n layers d"], codes: Int[np.ndarray, " n"]) -> HeldOut:
    """The direction of the sum of all rows, and of the sums without each group, 0 … G − 1."""
    return _held_out(x, codes)[0]


def contrast_direction(
    x: Float[np.ndarray, "n layers d"], y: Shaped[np.ndarray, " n"], codes: Int[np.ndarray, " n"]
) -> HeldOut:
    """Mean of the rows where `y` is true less that of the others; NaN without a group that holds
    all of one kind.

    Raises:
        ValueError: `y` that does not say True or False of each row, or says one of all.
    """
    y = np.asarray(y)
    if y.dtype != bool or len(y) != len(x) or y.all() or not y.any():  # ~ of numbers is no "not"
        raise ValueError(
            f"contrast_direction: y must say True or False of each of {len(x)} rows, both at least "
            "once"
        )
    groups = int(codes.max()) + 1
    means = []
    for rows in (y, ~y):
        sums, counts = _held_out(x[rows], codes[rows], groups)
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append(sums / counts[:, None, None])
    return np.asarray(means[0] - means[1])


def _held_out(
    x: np.ndarray, codes: np.ndarray, groups: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of all rows, then of those without each group."""
    groups = int(codes.max()) + 1 if groups is None else groups
    by, counts = np.zeros((groups, *x.shape[1:])), np.bincount(codes, minlength=groups)
    np.add.at(by, codes, np.asarray(x, dtype=np.float64))
    whole = by.sum(axis=0, keepdims=True)
    return np.concatenate([whole, whole - by]), np.append(len(codes), len(codes) - counts)


def cosine(
    one: Float[np.ndarray, "held d"], other: Float[np.ndarray, "held d"], sizes: np.ndarray
) -> Jackknife:
    """The cosine of two directions at one layer, jackknifed; `sizes`: rows of each group."""
    with np.errstate(invalid="ignore", divide="ignore"):
        norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
        found = (one * other).sum(axis=-1) / norms
    weights = np.asarray(sizes, dtype=np.float64)[None]
    return Jackknife(float(found[0]), found[1:], weights, int(np.sum(sizes)))


def cosines_by_layer(
    directions: Mapping[str, HeldOut], pairs: Mapping[str, Pair], codes: Int[np.ndarray, " n"]
) -> tuple[pd.DataFrame, dict[str, list[Jackknife]]]:
    """Cosines of pairs of directions at every layer.

    Args:
        directions: name → from `mean_direction` or `contrast_direction`, over the same groups.
        pairs: series → two names.
        codes: group of each row, 0 … G − 1.

    Returns:
        ``series``, ``layer``, ``value``, ``low``, ``high``, as
        `inscape.charts.layers.score_by_layer` draws them; and the jackknifed cosine of every series
        and layer.
    """
    sizes = np.bincount(codes)
    found, rows = {}, []
    for series, (one, other) in pairs.items():
        a, b = directions[one], directions[other]
        found[series] = [cosine(a[:, k], b[:, k], sizes) for k in range(a.shape[1])]
        for k, c in enumerate(found[series]):
            low, high = intervals.interval(c).ends or (c.value, c.value)
            row = {"series": series, "layer": k, "value": c.value}
            rows.append({**row, "low": max(low, -1.0), "high": min(high, 1.0)})
    return pd.DataFrame(rows), found


def cosines_beside_random(
    cosines: Mapping[str, Jackknife],
    rows: Float[np.ndarray, "n d"],
    null: str,
    *,
    rng: np.random.Generator,
    draws: int = 499,
) -> Measured:
    """Cosines at one layer, with `random_gaps` as the null of a difference of two.

    Args:
        cosines: series → its jackknifed cosine, as from `cosines_by_layer`.
        rows: activations there, whose covariance random directions have.
        null: its name.
        rng: of the random directions.
        draws: of the null.
    """
    m = Measured("cosine of directions", unit="cosine")
    for series, cosine in cosines.items():
        m.put_statistic(series, cosine)
    m.put_draws(null, random_gaps(rows, rng=rng, draws=draws))
    return m


def random_gaps(
    rows: Float[np.ndarray, "n d"], *, rng: np.random.Generator, draws: int = 499
) -> Float[np.ndarray, " draws"]:
    """``cos(u₁, u₂) − cos(u₁, u₃)`` of random directions with the covariance of `rows`: a null for
    differences.
    """
    random = matched((rows - rows.mean(axis=0))[None], 3 * draws, rng=rng)[:, 0]
    u = random.reshape(draws, 3, -1)
    return (u[:, 0] * u[:, 1]).sum(axis=1) - (u[:, 0] * u[:, 2]).sum(axis=1)
