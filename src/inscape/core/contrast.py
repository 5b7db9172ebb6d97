"""The mean of some layers (or other items in an order) less that of others, against the null of
shuffled items.

    gap = mean of values in `first` − mean of values in `second`

Items are what varies: the interval is their jackknife, and the null shuffles the values among all
of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from inscape.core.evidence import Evidence, Null
from inscape.core.intervals import interval
from inscape.core.jackknife import Jackknife
from inscape.core.nulls import one_sided_p


def contrast(
    name: str,
    values: Float[np.ndarray, " n"],
    first: Bool[np.ndarray, " n"],
    second: Bool[np.ndarray, " n"],
    *,
    rng: np.random.Generator,
    kind: str = "items shuffled",
    draws: int = 999,
    **more: Any,
) -> Evidence:
    """The difference of two means of one sequence.

    Args:
        name: of the evidence.
        values: one an item.
        first, second: which items the two means are of.
        rng: of the shuffles.
        kind: name of the null.
        draws: shuffles.
        more: further fields of `Evidence`.

    Example:
        >>> x = np.arange(12.0)[::-1]
        >>> e = contrast("x", x, x > 5, x < 4, rng=np.random.default_rng(0), draws=99)
        >>> e.value, e.p
        (7.0, 0.01)
    """
    codes = np.arange(len(values))

    def gap(x: np.ndarray) -> Jackknife:
        one, two = (Jackknife.ratio(x * part, part * 1.0, codes) for part in (first, second))
        return one - two

    found = gap(values)
    null = np.array([gap(values[rng.permutation(len(values))]).value for _ in range(draws)])
    ends = interval(found)
    return Evidence(
        name,
        found.value,
        ends.ends,
        Null.of(kind, null),
        one_sided_p(found.value, null, more.get("direction", "higher")),
        n=len(values),
        warnings=ends.warnings,
        **more,
    )
