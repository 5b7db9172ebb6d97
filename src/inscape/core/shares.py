"""Shares: sums over rows in proportion to other sums, with an interval over groups.

    share = Σ_i part_i / Σ_i whole_i

Accuracy is the share of right answers in all answers; accuracy lost, the share of answers lost in
those above chance; the effect of a patch, the share of the difference between two texts that it
closes. One set of bootstrap draws of the groups serves all of them, so that shares of one run can
be compared draw by draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.core import intervals
from inscape.core.evidence import Evidence, Null
from inscape.core.folds import group_codes
from inscape.core.nulls import one_sided_p


@dataclass(frozen=True)
class Shares:
    """Shares over the same rows.

    Attributes:
        groups: group of each row; renumbered.
        rng: of the bootstrap.
        draws: how many.
        level: of the intervals.
    """

    groups: np.ndarray
    rng: np.random.Generator
    draws: int = 1000
    level: float = 0.95

    @cached_property
    def codes(self) -> Int[np.ndarray, " n"]:
        """Groups as 0 … G − 1."""
        return group_codes(self.groups)

    @cached_property
    def counts(self) -> Int[np.ndarray, "draws groups"]:
        """How often each group is drawn, the same for every share."""
        return intervals.group_counts(int(self.codes.max()) + 1, self.draws, rng=self.rng)

    def value(self, part: Float[np.ndarray, " n"], whole: Float[np.ndarray, " n"]) -> float:
        """The share itself; NaN where the whole is nothing."""
        return float(np.sum(part) / np.sum(whole)) if np.sum(whole) else float("nan")

    def evidence(
        self,
        name: str,
        part: Float[np.ndarray, " n"],
        whole: Float[np.ndarray, " n"],
        null: Null | None = None,
        draws: Float[np.ndarray, " k"] | None = None,
        **more: object,
    ) -> Evidence:
        """The share with its interval and its null.

        Args:
            name: what the share is of.
            part: per row.
            whole: per row.
            null: a summary that is there already, or
            draws: shares of the null, with their name in ``kind``; they also give the p-value.
            more: further fields of `Evidence`, and ``kind``.
        """
        kind = str(more.pop("kind", ""))
        parts = tuple(np.asarray(x, dtype=np.float64) for x in (part, whole))
        found = intervals.group_interval(parts, self.codes, "ratio", self.level)
        value = self.value(part, whole)
        p = None
        if draws is not None:
            null = Null.of(kind, draws)
            p = one_sided_p(value, draws, str(more.get("direction", "higher")))
        notes = (*found.warnings, *more.pop("warnings", ()))  # type: ignore[misc]
        return Evidence(
            name,
            value,
            found.ends,
            null,
            p,
            n=len(self.codes),
            warnings=notes,
            **more,  # type: ignore[arg-type]
        )


def bars(found: Sequence[Evidence], by: str) -> pd.DataFrame:
    """Evidence as `inscape.charts.bars.values_by_group` draws it: ``group``, ``value``, ``low``,
    ``high`` and ``null``.

    Args:
        found: the evidence.
        by: which of its coordinates names the bar.
    """
    rows = []
    for e in found:
        low, high = e.ends
        null = e.null.mean if e.null is not None else float("nan")
        rows.append(
            {"group": e.where[by], "value": e.value, "low": low, "high": high, "null": null}
        )
    return pd.DataFrame(rows)
