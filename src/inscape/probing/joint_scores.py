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
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from inscape.core.evidence import Evidence
from inscape.core.folds import group_codes
from inscape.core.jackknife import over_groups
from inscape.core.measured import Measured
from inscape.probing.sweep_result import SweepResult

#: the null of `score_gap`
BOTH_SHUFFLED = "both on shuffled labels"


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


def mean_shuffled(found: Sequence[SweepResult], name: str = "") -> Evidence:
    """The mean score of several sweeps on shuffled labels, over shuffles: chance, where nothing
    leaks.

    Args:
        found: sweeps of one metric, with the same number of shuffles, of their only target.
        name: of the evidence.
    """
    unit = found[0].selected[0].unit
    m = Measured(name or f"mean {unit} with labels shuffled", unit=unit)
    m.put("shuffled", np.mean([r.selected_scores[1:, 0] for r in found], axis=0))
    return m.value("shuffled")


class ScoreGap(NamedTuple):
    """By how much the score of one sweep is above that of another.

    Attributes:
        gap: the difference; null: both on shuffled labels.
        above: the same without a null, beside the second sweep's score.
        shuffled: the mean of both scores on shuffled labels.
        each: condition → score.
    """

    gap: Evidence
    above: Evidence
    shuffled: Evidence
    each: dict[str, float]


def score_gap(
    found: Mapping[str, SweepResult], groups: Mapping[str, Sequence[Any] | np.ndarray]
) -> ScoreGap:
    """The scores of two sweeps, the first less the second, of their only target.

    ::

        gap = S_1 − S_2        null, draw by draw: S_1 − S_2 on labels shuffled in both

    Args:
        found: two conditions → sweep of one metric, both with the same number of shuffles.
        groups: condition → the group of each of its rows, as in `joint_scores`.
    """
    first, second = found
    m = joint_scores(found, groups)
    one, two = (found[name].selected_scores[1:, 0] for name in (first, second))
    m.put_draws(BOTH_SHUFFLED, one - two)
    each = {name: float(m.value(name).value) for name in found}
    gap = m.gain(first, over=second, null=BOTH_SHUFFLED)
    return ScoreGap(gap, m.gain(first, over=second), mean_shuffled(list(found.values())), each)


class PartGain(NamedTuple):
    """By how much one reading is above others, part by part.

    Attributes:
        evidence: the gain of the part where it is k-th largest.
        each: the gain of every part.
    """

    evidence: Evidence
    each: dict[str, float]

    @property
    def in_words(self) -> str:
        """The gain of every part."""
        return "; ".join(f"{part} {gain:+.3f}" for part, gain in self.each.items())


def part_gain(
    name: str,
    found: Mapping[str, Mapping[str, SweepResult]],
    reading: str,
    over: Sequence[str],
    k: int = 2,
) -> PartGain:
    """The gain of a reading over the best of others, on the part where it is k-th largest.

    ::

        gain_p = S_p(reading) − max_o S_p(o)

    Args:
        name: what it is.
        found: reading → part (a task) → sweep; the readings of one part share their rows, and no
            two parts share a group.
        reading: one of the readings.
        over: the others.
        k: from 1, the largest; the least of all where there are fewer parts.
    """
    names, parts = [reading, *over], list(found[reading])
    cells = {(p, r): found[r][p] for p in parts for r in names}
    m = joint_scores(
        {f"{p}, {r}": result for (p, r), result in cells.items()},
        {f"{p}, {r}": [f"{p} {g}" for g in result.groups] for (p, r), result in cells.items()},
    )

    def gains(scores: Sequence[Any]) -> np.ndarray:
        x = np.stack(scores).reshape(len(parts), len(names), *np.shape(scores[0]))
        return np.asarray(x[:, 0] - x[:, 1:].max(axis=1))

    def ranked(*scores: np.ndarray) -> np.ndarray:
        return np.sort(gains(scores), axis=0)[-min(k, len(parts))]

    each = gains([m.value(condition).value for condition in m.conditions])
    return PartGain(
        m.combined(name, ranked, *m.conditions), dict(zip(parts, map(float, each), strict=True))
    )
