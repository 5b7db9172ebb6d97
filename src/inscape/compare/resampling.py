"""Nulls and intervals of any measure by running it again: for measures that are not cosines of pair
tables.

    null        the measure with the items of y permuted (`inscape.compare.shifts`: items, or whole groups)
    interval    the measure on items (or groups) drawn with replacement, each drawn item once

An item that is drawn twice is its own nearest neighbour and has distance zero to itself; keeping
such copies moved a similarity of 0.108 to 0.168 in a simulation. So a draw keeps the distinct items
only, and its spread is scaled from their number u to n, √(u/(n − u))-fold (a subsample's, not a
resample's, since what varies is which items are in). For pair tables use `similarity_map`, which
needs one evaluation.

Cost: one evaluation a draw.
Reference: Schütt et al. (2023), eLife 12; Politis and Romano (1994), Ann. Statist. 22
(subsampling); Booth, Butler and Hall (1994), JASA 89 (its finite-population factor).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.stats import norm

from inscape.compare.paired_rows import paired_rows
from inscape.compare.shifts import Shifts
from inscape.core.evidence import Evidence, Null
from inscape.core.folds import group_codes
from inscape.core.nulls import p_value

Measure = Callable[[Any, Any], float]


def permuted(measure: Measure, x: Any, y: Any, shifts: Shifts) -> Float64[np.ndarray, " k"]:
    """The measure under every shift; entry 0 is the observed one, on the items that the shifts
    move.

    Args:
        measure: takes (n, d) and (n, e), gives a number.
        x: (n, d).
        y: (n, e).
        shifts: the permutations.
    """
    a, b = paired_rows(x, y, "permuted", least=2)
    order = shifts.order.ravel()
    if order.max() >= len(a):
        raise ValueError(
            f"permuted: shifts were made for more than the {len(a)} items; make them for these"
        )
    return np.array([measure(a[order], b[shifts.permutation(k)]) for k in range(len(shifts))])


def bootstrap(
    measure: Measure,
    x: Any,
    y: Any,
    *,
    draws: int = 100,
    rng: np.random.Generator,
    groups: Sequence[Any] | np.ndarray | None = None,
    level: float = 0.95,
) -> tuple[float, float]:
    """An interval of any measure over items, or over groups of them.

    Args:
        measure: takes (n, d) and (n, e), gives a number.
        x: (n, d).
        y: (n, e).
        draws: how often the measure is run.
        rng: of the draws.
        groups: one group per item; None for the items themselves.
        level: confidence.

    Returns:
        Its ends: the value of all items, plus and minus a normal quantile times the scaled
        deviation of the draws.

    Raises:
        ValueError: fewer than 20 draws, or fewer than 10 items or groups.
    """
    a, b = paired_rows(x, y, "bootstrap", least=10)
    codes = np.arange(len(a)) if groups is None else group_codes(groups, len(a))
    count = int(codes.max()) + 1
    if draws < 20 or count < 10:
        raise ValueError(
            f"bootstrap: {draws} draws over {count} items or groups; give at least 20 draws and 10 "
            "groups"
        )
    found, kept = np.empty(draws), np.empty(draws)
    for i in range(draws):
        drawn = np.unique(rng.integers(count, size=count))
        rows = np.flatnonzero(np.isin(codes, drawn))
        found[i], kept[i] = measure(a[rows], b[rows]), len(drawn)
    u = float(kept.mean())
    reach = float(norm.ppf((1 + level) / 2) * found.std(ddof=1) * np.sqrt(u / (count - u)))
    value = float(measure(a, b))
    return value - reach, value + reach


def measured(
    measure: Measure,
    x: Any,
    y: Any,
    *,
    shifts: Shifts,
    rng: np.random.Generator,
    name: str,
    groups: Sequence[Any] | np.ndarray | None = None,
    draws: int = 100,
    **more: Any,
) -> Evidence:
    """One similarity with its interval and its null.

    Args:
        measure: takes (n, d) and (n, e), gives a number; higher is more alike.
        x: (n, d).
        y: (n, e).
        shifts: the permutations of the null.
        rng: of the interval's draws.
        name: of the measure.
        groups: one group per item, for the interval.
        draws: of the interval.
        more: further fields of `Evidence`.
    """
    null = permuted(measure, x, y, shifts)
    ends = bootstrap(measure, x, y, draws=draws, rng=rng, groups=groups)
    facts = {"unit": name, "n": len(x), **more}
    value = float(measure(x, y))
    return Evidence(
        name,
        value,
        ends,
        Null.of(shifts.kind, null[1:]),
        float(p_value(null[0], null[1:])),
        **facts,
    )
