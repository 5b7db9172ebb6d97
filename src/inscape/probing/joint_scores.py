"""Scores of sweeps over different rows as conditions of one measurement, so that their differences
are paired.

    θ_k of the rows of sweep k;   θ_k without group g,  for every group of any sweep

Probes that tell right answers from two kinds of error share the right ones; probes of several tasks
share none. Either way a group left out is left out of every score that it is in, and moves the
others by nothing.

Reference: `inscape.core.jackknife.over_groups`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from inscape.core.folds import group_codes
from inscape.core.jackknife import over_groups
from inscape.core.measured import Measured
from inscape.probing.sweep_result import SweepResult


def joint_scores(
    found: Mapping[str, SweepResult], groups: Mapping[str, Sequence[Any] | np.ndarray]
) -> Measured:
    """The score that each sweep's training folds choose, of its only target.

    Args:
        found: condition → sweep, all of one metric.
        groups: condition → the group of each of its rows; a group has one name in all conditions.

    Example:
        >>> from inscape.probing.sweep import sweep
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(60, 3)), rng.normal(size=60)
        >>> parts = {"first": np.arange(40), "second": np.arange(20, 60)}
        >>> found = {k: sweep({"x": x[p]}, y[p], groups=p, shuffles=0) for k, p in parts.items()}
        >>> m = joint_scores(found, parts)
        >>> list(m.conditions), m.unit
        (['first', 'second'], 'R²')
    """
    sizes = np.cumsum([0, *(len(groups[name]) for name in found)])
    codes = group_codes([str(g) for name in found for g in groups[name]])
    unit = next(iter(found.values())).selected[0].unit
    m = Measured(unit, unit=unit)
    for name, first, last in zip(found, sizes, sizes[1:], strict=False):
        own = codes[first:last]
        result = replace(found[name], groups=group_codes(own))
        score = result.selected_statistic(0)
        m.put_statistic(name, over_groups(score, pd.unique(own), int(codes.max()) + 1))
    return m
