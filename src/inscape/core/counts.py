"""How many of several measurements pass a threshold, and the k-th highest of them, as one piece of
evidence.

    value = #{value_i ≥ threshold}        interval = [#{low_i ≥ threshold}, #{high_i ≥ threshold}]

The ends count measurements whose own intervals lie above the threshold, or reach it. The null is
the same count in every draw of a null that all measurements share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from inscape.core.evidence import Evidence, Null
from inscape.core.nulls import p_value


def count(
    name: str,
    found: Sequence[Evidence],
    at_least: float,
    *,
    unit: str,
    counted: Sequence[bool] | None = None,
    null: Float[np.ndarray, "draws m"] | None = None,
    kind: str = "",
) -> Evidence:
    """Count the measurements from a threshold on.

    Args:
        name: what is counted.
        found: the measurements.
        at_least: the threshold.
        unit: what they are.
        counted: which may be counted at all; all by default.
        null: values of every measurement in every draw of the null.
        kind: name of the null.

    Example:
        >>> e = count("good", [Evidence("a", 0.9, (0.7, 1.0)), Evidence("b", 0.5, (0.4, 0.9))], 0.8, unit="features")
        >>> e.value, e.interval
        (1, (0, 2))
    """
    allowed = [True] * len(found) if counted is None else list(counted)
    ends = [e.interval or (-np.inf, np.inf) for e in found]
    value, low, high = (
        sum(bool(x >= at_least) and ok for x, ok in zip(values, allowed, strict=True))
        for values in ([e.value for e in found], [a for a, _ in ends], [b for _, b in ends])
    )
    chance, p = None, None
    if null is not None:
        counts = ((np.asarray(null) >= at_least) & np.array(allowed)).sum(axis=1)
        counts = counts.astype(np.float64)
        chance, p = Null.of(kind, counts), float(p_value(float(value), counts))
    warnings = tuple(dict.fromkeys(w for e in found for w in e.warnings))
    n = sum(e.n or 0 for e in found)
    return Evidence(name, value, (low, high), chance, p, n=n, unit=unit, warnings=warnings)


def kth_highest(name: str, found: Sequence[Evidence], k: int, *, unit: str) -> Evidence:
    """The k-th highest of several measurements: it is beyond a criterion where at least k of them
    are.

    Its ends are the k-th highest of their ends, so that the interval is beyond a criterion where k
    intervals are. A measurement without an interval may be anything.

    Args:
        name: of the evidence.
        found: the measurements.
        k: which; NaN where there are fewer.
        unit: their unit.

    Example:
        >>> found = [Evidence("a", 3.0, (2.0, 4.0)), Evidence("b", 5.0), Evidence("c", 1.0, (0.5, 9.0))]
        >>> e = kth_highest("second", found, 2, unit="times")
        >>> e.value, e.interval
        (3.0, (0.5, 9.0))
    """
    if len(found) < k:
        why = f"Only {len(found)} of {k} were measured."
        return Evidence(name, float("nan"), unit=unit, warnings=(why,))
    ends = [e.interval or (-np.inf, np.inf) for e in found]
    value, low, high = (
        float(sorted(x, reverse=True)[k - 1])
        for x in ([e.value for e in found], [a for a, _ in ends], [b for _, b in ends])
    )
    whole = np.isfinite([low, high]).all()
    warnings = () if whole else (f"Fewer than {k} have an interval.",)
    n = sum(e.n or 0 for e in found)
    return Evidence(name, value, (low, high) if whole else None, n=n, unit=unit, warnings=warnings)
