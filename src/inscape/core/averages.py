"""The average of one statistic over several data sets, each with groups of its own: tasks,
features, languages.

Data sets are kept and groups are what varies, so leaving out group g of set i of K moves the
average by a K-th of what it moves the set's own statistic. Weights of groups are shares of their
set, so that every set counts alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inscape.core.evidence import Evidence, Null
from inscape.core.intervals import interval
from inscape.core.jackknife import Jackknife, combine
from inscape.core.measured import over_draws
from inscape.core.nulls import one_sided_p


def average(parts: Sequence[Jackknife], kind: str = "any") -> Jackknife:
    """The mean of statistics of different groups.

    Args:
        parts: one jackknifed statistic for each data set.
        kind: of the mean, as in `Jackknife`.

    Example:
        >>> one = Jackknife.mean(np.array([1.0, 3.0]), np.array([0, 1]))
        >>> two = Jackknife.mean(np.array([4.0, 4.0, 7.0]), np.array([0, 1, 2]))
        >>> both = average([one, two])
        >>> both.value, both.without.tolist()
        (3.5, [4.0, 3.0, 3.75, 3.75, 3.0])
    """
    value, k = float(np.mean([p.value for p in parts])), len(parts)
    without = np.concatenate([value - p.shift / k for p in parts])
    shares = [p.weights / np.maximum(p.weights.sum(axis=1, keepdims=True), 1e-300) for p in parts]
    # of several denominators of a set the one with the fewest effective groups counts
    rows = [w[int((w**2).sum(axis=1).argmax())] for w in shares]
    return Jackknife(value, without, np.concatenate(rows)[None], sum(p.rows for p in parts), kind)


def average_evidence(
    name: str,
    parts: Sequence[Jackknife],
    *,
    null: Sequence[Sequence[Jackknife]] = (),
    kind: str = "",
    expensive: bool = False,
    **more: Any,
) -> Evidence:
    """The average with its interval, and its null.

    Args:
        name: what is averaged.
        parts: the statistic of each data set.
        null: the same for each draw of the null, over the same groups.
        kind: name of the null.
        expensive: the null has too few draws for a p-value; the interval of the gain over it is
            given instead.
        more: further fields of `Evidence`.
    """
    found = average(parts)
    ends, chance = interval(found), {}
    if null:
        drawn = [average(draw) for draw in null]
        values = np.array([d.value for d in drawn])
        chance["null"] = Null.of(kind, values)
        if expensive:
            over = combine(lambda own, *d: own - np.mean(d, axis=0), found, *drawn)
            chance["over_null"] = interval(over_draws(over, -values)).ends
        else:
            chance["p"] = one_sided_p(found.value, values, more.get("direction", "higher"))
    facts = {"n": found.rows, **more, **chance}
    return Evidence(name, found.value, ends.ends, warnings=ends.warnings, **facts)
