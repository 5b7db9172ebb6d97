"""Evidence: a number that can be believed, because what it must be compared with travels beside it.

A score alone says nothing. `Evidence` carries the interval that says how sure it is, the null that
says what chance would give, the counts it rests on and the warnings a reader must see. A table of
results is a list of evidence; `table` turns it into a flat data frame that Parquet keeps and the
report prints.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from inscape.core.shown import Shown, short

Direction = Literal["higher", "lower", "none"]


@dataclass(frozen=True)
class Null:
    """What chance gives: the summary of a null distribution.

    Attributes:
        kind: how the null was made: ``"shuffled labels"``, ``"untrained model"``,
            ``"random direction"`` …
        mean: its mean, in the unit of the value.
        sd: its standard deviation.
        low: its 2.5 % quantile.
        high: its 97.5 % quantile.
        draws: how many draws it is made of.
    """

    kind: str
    mean: float
    sd: float
    low: float
    high: float
    draws: int

    @classmethod
    def of(cls, kind: str, values: Iterable[float]) -> Null:
        """Summarise draws from the null.

        Raises:
            ValueError: a draw is not finite, or there are fewer than two: one number is a reference
                and no distribution.
        """
        array = np.asarray(list(values), dtype=np.float64)
        if array.size < 2 or not np.isfinite(array).all():
            raise ValueError(
                f"Null.of({kind!r}): needs at least two finite draws, got {array.tolist()[:5]}; "
                "one number is a reference"
            )
        low, high = np.quantile(array, [0.025, 0.975])
        sd = float(array.std(ddof=1))
        return cls(kind, float(array.mean()), sd, float(low), float(high), int(array.size))


@dataclass(frozen=True)
class Beside:
    """A single number that the measured one is seen beside: no null, since it has no distribution.

    Attributes:
        role: ``"baseline"`` (a competitor), ``"reference"`` (where it starts) or ``"ceiling"``
            (what an oracle reaches).
        name: the condition.
        value: its value, in the unit of the evidence.
        low: lower end of its interval, None where there is none.
        high: upper end of its interval, None where there is none.
    """

    role: str
    name: str
    value: float
    low: float | None = None
    high: float | None = None


#: what a row says of the number; `Evidence.where` may not use these names
_COLUMNS = frozenset(
    (
        "name value low high null null_mean null_low null_high null_draws p n d unit direction "
        "warnings"
    ).split()
)


@dataclass(frozen=True)
class Evidence:
    """One measured number with its interval, its null and what it rests on.

    Attributes:
        name: what was measured, in the field's words (``"R² of latitude"``).
        value: the number.
        interval: lower and upper end, or None where none can be given (then a warning says why).
        null: what chance gives, or None.
        p: one-sided p-value against the null, corrected for what was searched over; or None.
        over_null: interval of the gain over the mean of the null, where draws are too expensive for
            a p-value.
        beside: baselines, references and ceilings: single numbers, each with its role.
        n: samples it was measured on.
        d: width of the representation, or None.
        unit: the unit (``"R²"``, ``"km"``, ``"accuracy"``).
        direction: whether higher or lower is the claim's side.
        level: confidence level of the interval.
        where: coordinates in the table (site, target, split …), each a column.
        warnings: sentences a reader must see.
    """

    name: str
    value: float | int
    interval: tuple[float | int, float | int] | None = None
    null: Null | None = None
    p: float | None = None
    n: int | None = None
    d: int | None = None
    unit: str = ""
    direction: Direction = "higher"
    level: float = 0.95
    where: dict[str, str | int | float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    over_null: tuple[float | int, float | int] | None = None
    beside: tuple[Beside, ...] = ()

    def __post_init__(self) -> None:
        if taken := _COLUMNS & self.where.keys():
            raise ValueError(
                f"Evidence: where has {', '.join(sorted(taken))}, which a row needs for the number "
                "itself; name it otherwise"
            )

    def __str__(self) -> str:
        """``R² of latitude 0.41 [0.30, 0.49], null 0.00 (shuffled labels, 100 draws), p = 0.01``"""
        parts = [f"{self.name} {short(self.value)}"]
        if self.interval is not None:
            parts[0] += f" [{short(self.interval[0])}, {short(self.interval[1])}]"
        if self.null is not None:
            parts.append(
                f"null {short(self.null.mean)} ({self.null.kind}, {self.null.draws} draws)"
            )
        parts += [f"{b.role} {short(b.value)} ({b.name})" for b in self.beside]
        if self.p is not None:
            parts.append(f"p = {self.p:.2g}")
        return ", ".join(parts)

    def _repr_html_(self) -> str:
        where = ", ".join(f"{k} {v}" for k, v in self.where.items())
        return Shown(str(self), notes=(*([where] if where else []), *self.warnings)).html()

    @property
    def ends(self) -> tuple[float, float]:
        """The interval as a figure draws it: the value twice where there is none."""
        low, high = self.interval if self.interval is not None else (self.value, self.value)
        return float(low), float(high)

    def above_chance(self) -> Evidence:
        """The same less the mean of its null: value, interval and null alike.

        Raises:
            ValueError: there is no null.
        """
        if self.null is None:
            raise ValueError(f"Evidence.above_chance: {self.name} has no null")
        mean, null = self.null.mean, self.null
        less = replace(null, mean=0.0, low=null.low - mean, high=null.high - mean)
        ends = None if self.interval is None else (self.interval[0] - mean, self.interval[1] - mean)
        return replace(
            self,
            name=f"{self.name} above chance",
            value=self.value - mean,
            interval=ends,
            null=less,
        )

    def chance(self) -> Evidence:
        """What its null alone gives: the null's mean, between the null's ends.

        Raises:
            ValueError: there is no null.
        """
        if self.null is None:
            raise ValueError(f"Evidence.chance: {self.name} has no null")
        return replace(
            self,
            name=f"{self.name}, {self.null.kind}",
            value=self.null.mean,
            interval=(self.null.low, self.null.high),
            p=None,
        )

    def row(self) -> dict[str, object]:
        """A flat record: the coordinates first, then the number and everything beside it."""
        low, high = self.interval if self.interval is not None else (math.nan, math.nan)
        null = self.null
        return {
            **self.where,
            "name": self.name,
            "value": float(self.value),
            "low": float(low),
            "high": float(high),
            "null": null.kind if null else "",
            "null_mean": null.mean if null else math.nan,
            "null_low": null.low if null else math.nan,
            "null_high": null.high if null else math.nan,
            "null_draws": null.draws if null else 0,
            "p": math.nan if self.p is None else float(self.p),
            "n": -1 if self.n is None else int(self.n),
            "d": -1 if self.d is None else int(self.d),
            "unit": self.unit,
            "direction": self.direction,
            "warnings": " ".join(self.warnings),
        }


def table(evidence: Iterable[Evidence]) -> pd.DataFrame:
    """Evidence as a data frame, one row each, in the order given."""
    return pd.DataFrame([e.row() for e in evidence])


def named(found: Mapping[str, Evidence], by: str) -> list[Evidence]:
    """Evidence with one coordinate, its name: rows of a table that were measured apart.

    Args:
        found: name → evidence, whose own coordinates are dropped.
        by: what the names are, a column of the table.

    Example:
        >>> rows = named({"probe": Evidence("AUC", 0.9), "words": Evidence("AUC", 0.6)}, "read from")
        >>> [(e.where, e.value) for e in rows]
        [({'read from': 'probe'}, 0.9), ({'read from': 'words'}, 0.6)]
    """
    return [replace(e, where={by: name}) for name, e in found.items()]
