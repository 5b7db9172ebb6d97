"""Spearman's rank correlation of a few pairs, with an interval and the null of permuted pairs; and
of two distance matrices, without each item in turn.

    z = artanh ρ,   sd(z) = √((1 + ρ²/2) / (n − 3))

Reference: Bonett and Wright (2000), Psychometrika 65 (the standard error).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Real
from scipy.stats import norm, rankdata, spearmanr

from inscape.core.evidence import Evidence, Null
from inscape.core.jackknife import Jackknife, left_out
from inscape.core.measured import Measured, Role
from inscape.core.nulls import one_sided_p
from inscape.core.pair_matrices import checked_pairs


def rank_correlation(
    name: str,
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    *,
    rng: np.random.Generator,
    kind: str = "pairs permuted",
    draws: int = 999,
    level: float = 0.95,
    **more: Any,
) -> Evidence:
    """Spearman's ρ as evidence.

    Args:
        name: what is correlated.
        x, y: the pairs.
        rng: of the permutations.
        kind: name of the null.
        draws: permutations.
        level: of the interval.
        more: further fields of `Evidence`.

    Returns:
        ρ, zero where one side is constant; no interval below four pairs.

    Raises:
        ValueError: sides of unequal lengths, fewer than two pairs, or a NaN.
    """
    if len(x) != len(y) or len(x) < 2 or np.isnan(x).any() or np.isnan(y).any():
        raise ValueError(
            f"rank_correlation: {name} needs two pairs of numbers or more, got {len(x)} and {len(y)}; "
            "leave pairs with NaN out"
        )
    a, b = rankdata(x), rankdata(y)
    n = len(a)
    flat = not (np.ptp(a) and np.ptp(b))

    def rho(order: np.ndarray) -> float:
        return 0.0 if flat else float(np.corrcoef(a, b[order])[0, 1])

    value = rho(np.arange(n))
    null = np.array([rho(rng.permutation(n)) for _ in range(draws)])
    ends, warnings = None, (f"A rank correlation of {n} pairs is coarse.",) if n < 30 else ()
    if n < 4 or flat:
        warnings = ("No interval: it needs four pairs that differ on both sides.",)
    else:
        reach = norm.ppf((1 + level) / 2) * np.sqrt((1 + value**2 / 2) / (n - 3))
        centre = np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
        ends = (float(np.tanh(centre - reach)), float(np.tanh(centre + reach)))
    return Evidence(
        name,
        value,
        ends,
        Null.of(kind, null),
        one_sided_p(value, null, more.get("direction", "higher")),
        n=n,
        unit="Spearman's ρ",
        warnings=warnings,
        **more,
    )


def rank_correlations(
    name: str,
    frame: pd.DataFrame,
    measures: Sequence[str],
    target: str,
    *,
    roles: Mapping[str, Role] | None = None,
    **options: Any,
) -> Measured:
    """Spearman's ρ of several columns with one, as conditions of one measurement: jackknifed over
    rows, so that differences are paired.

    Args:
        name: what is measured.
        frame: a row for each item.
        measures: its columns that are compared.
        target: the column that they are correlated with.
        roles: measure → its role; ``"treatment"`` for those that are not named.
        options: of `Measured`, such as ``level``.

    Example:
        >>> frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 3, 2, 4], "y": [2, 4, 6, 8]})
        >>> m = rank_correlations("ρ", frame, ("a", "b"), "y", roles={"b": "baseline"})
        >>> round(m.gain("a", over="b").value, 2)
        0.2
    """
    y = frame[target].to_numpy()

    def rho(x: np.ndarray, rows: np.ndarray) -> float:
        return float(spearmanr(x[rows], y[rows])[0])

    found = {
        measure: left_out(partial(rho, frame[measure].to_numpy()), np.arange(len(frame)))
        for measure in measures
    }
    return Measured(name, unit="Spearman's ρ", **options).put_each(found, roles=roles)


def permuted_ranks(
    name: str,
    frame: pd.DataFrame,
    measures: Sequence[str],
    target: str,
    *,
    rng: Callable[[str], np.random.Generator],
    kind: str = "pairs permuted",
) -> dict[str, Evidence]:
    """Spearman's ρ of several columns with one, each alone, against permuted rows.

    Args:
        name: what is correlated; the measure's name is put after it.
        frame: a row for each item.
        measures: its columns.
        target: the column that they are correlated with.
        rng: gives the generator of a measure's permutations by its name.
        kind: name of the null.

    Returns:
        Measure → its evidence, as `rank_correlation` gives it, with the measure as its
        ``condition``.

    Example:
        >>> frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [4, 3, 2, 1], "y": [2, 4, 6, 8]})
        >>> rng = lambda measure: np.random.default_rng(0)
        >>> found = permuted_ranks("ρ of y", frame, ("a", "b"), "y", rng=rng)
        >>> [(e.name, round(e.value, 6)) for e in found.values()]
        [('ρ of y and a', 1.0), ('ρ of y and b', -1.0)]
    """
    y = frame[target].to_numpy(dtype=np.float64)
    return {
        measure: rank_correlation(
            f"{name} and {measure}",
            frame[measure].to_numpy(dtype=np.float64),
            y,
            rng=rng(measure),
            kind=kind,
            where={"condition": measure},
        )
        for measure in measures
    }


def rank_table(
    frame: pd.DataFrame, measures: Sequence[str], target: str, by: str = ""
) -> pd.DataFrame:
    """Spearman's ρ of several columns with one, within each group of rows.

    Args:
        frame: a row for each item.
        measures: its columns.
        target: the column that they are correlated with.
        by: the column of groups; all rows together where it is empty.

    Returns:
        ``by`` (where there is one), ``measure``, ``ρ``.
    """
    parts = frame.groupby(by, sort=False) if by else [("", frame)]
    rows = [
        {by: part, "measure": measure, "ρ": float(spearmanr(own[measure], own[target])[0])}
        for part, own in parts
        for measure in measures
    ]
    made = pd.DataFrame(rows)
    return made if by else made.drop(columns="")


def pair_rank_correlation(
    first: Real[np.ndarray, "_ _"], second: Real[np.ndarray, "_ _"]
) -> Jackknife:
    """Spearman's ρ of the entries of two distance matrices of the same items: do both put the same
    pairs far apart?

    Entries that share an item are dependent, so an item is left out with all its pairs.

    Args:
        first: symmetric; the diagonal is not looked at.
        second: of the same items.

    Returns:
        ρ over the pairs above the diagonal; NaN where one side gives all pairs one distance.

    Raises:
        ValueError: matrices of other items or of fewer than four, not symmetric or not finite.

    Example:
        >>> x = np.array([0.0, 1.0, 3.0, 7.0])
        >>> apart = abs(x[:, None] - x)
        >>> found = pair_rank_correlation(apart, apart**3)
        >>> round(found.value, 6), found.without.round(6).tolist()
        (1.0, [1.0, 1.0, 1.0, 1.0])
    """
    one, other = (
        checked_pairs(side, "pair_rank_correlation: a matrix", least=4) for side in (first, second)
    )
    if len(one) != len(other):
        raise ValueError(
            f"pair_rank_correlation: matrices of {len(one)} and {len(other)} items; give the same"
        )

    def rho(kept: np.ndarray) -> float:
        rows, columns = kept[np.stack(np.triu_indices(len(kept), 1))]
        return float(spearmanr(one[rows, columns], other[rows, columns])[0])

    return left_out(rho, np.arange(len(one)))
