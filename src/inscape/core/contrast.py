"""The mean of some layers (or other items in an order) less that of others, against the null of the
same series begun elsewhere.

    gap = mean of values in `first` − mean of values in `second`

Neighbours are alike, so that shuffled items would be no fair comparison: a smooth series without any
trend passes such a test far too often. The null turns the series in a circle, by each number of
steps once, which keeps what neighbours have in common; p is never below 1 / n. The interval is the
jackknife of items as if each varied on its own, so in a smooth series it is too narrow, and the null
is what decides.
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
    kind: str = "series turned in a circle",
    **more: Any,
) -> Evidence:
    """The difference of two means of one series.

    Args:
        name: of the evidence.
        values: one an item, in order.
        first, second: which items the two means are of.
        kind: name of the null.
        more: further fields of `Evidence`.

    Example:
        >>> x = np.r_[np.ones(6), np.zeros(18)]
        >>> e = contrast("x", x, np.arange(24) < 6, np.arange(24) >= 18)
        >>> e.value, round(e.p, 3)  # of 24 places to begin at, this one alone
        (1.0, 0.042)
    """
    count = len(values)
    items = np.arange(count)

    def gap(x: np.ndarray) -> Jackknife:
        one, two = (Jackknife.ratio(x * part, part * 1.0, items) for part in (first, second))
        return one - two

    found = gap(values)
    turned = np.array([gap(np.roll(values, k)).value for k in range(1, count)])
    ends = interval(found)
    return Evidence(
        name,
        found.value,
        ends.ends,
        Null.of(kind, turned),
        one_sided_p(found.value, turned, more.get("direction", "higher")),
        n=count,
        warnings=ends.warnings,
        **more,
    )
