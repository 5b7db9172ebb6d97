"""Spearman's rank correlation of a few pairs, with an interval and the null of permuted pairs.

    z = artanh ρ,   sd(z) = √((1 + ρ²/2) / (n − 3))

Reference: Bonett and Wright (2000), Psychometrika 65 (the standard error).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import norm, rankdata

from inscape.core.evidence import Evidence, Null
from inscape.core.nulls import p_value


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
    """
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
        float(p_value(value, null)),
        n=n,
        unit="Spearman's ρ",
        warnings=warnings,
        **more,
    )
