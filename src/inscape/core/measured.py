"""Measured: one outcome of the same items under several conditions, the only way a study makes
evidence.

Every condition holds one value an item. Its statistic S (a mean, a ratio of sums, an out-of-sample
R², an AUC) is jackknifed over groups of items, so that differences and shares of conditions are
paired: what makes a group hard under two conditions cancels.

    value      S(c)                              ratio   S(c) / S(over)
    gain       (S(c) − S(over)) / S(of)          fall    (S(below) − S(c)) / S(of)          of: 1 unless named

A condition has a role. A *null* is a distribution: draws of the same procedure on shuffled labels,
random directions, permuted pairs. Every draw takes the condition's place in the formula, and

    p = (1 + #{draws at least as far in the claim's direction}) / (draws + 1)

Where a draw costs a training and there are few, p can never be small: such a null is *expensive*
and gives the interval of the gain over its mean instead, with the variance over groups and that
over draws. A *baseline* is one competitor, a *reference* where the condition starts, a *ceiling*
what an oracle reaches: single numbers, shown beside and never called null.

Cost: O(draws · n) for the statistics.
Reference: Phipson and Smyth (2010), arXiv:1603.05766 (p); `inscape.core.intervals` for the
intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from inscape.core import intervals
from inscape.core.evidence import Beside, Direction, Evidence, Null, table
from inscape.core.folds import group_codes
from inscape.core.formulas import mean_of
from inscape.core.jackknife import Jackknife, combine
from inscape.core.nulls import one_sided_p

Role = Literal["treatment", "null", "baseline", "reference", "ceiling"]

#: the fewest draws that make an expensive null
FEWEST_DRAWS = 5


@dataclass(frozen=True, eq=False)
class Condition:
    """What was measured under one condition.

    Attributes:
        role: what it is to the others.
        draws: one statistic for each draw; one alone for what was measured once.
        expensive: a null whose draws are too few for a p-value.
    """

    role: Role
    draws: tuple[Jackknife, ...]
    expensive: bool = False

    @property
    def mean(self) -> Jackknife:
        """The statistic, averaged over draws."""
        if len(self.draws) == 1:
            return self.draws[0]
        kind = self.draws[0].kind if len({d.kind for d in self.draws}) == 1 else "any"
        return combine(mean_of, *self.draws, kind=kind)


class Measured:
    """Conditions measured on the same items.

    Args:
        name: what is measured, in the field's words.
        groups: group of each item; None where items are independent.
        unit: the unit of the statistic.
        kind: ``"mean"``, ``"bounded"`` (a mean of what lies between 0 and 1: shares of groups, a
            similarity), ``"correlation"`` (a mean of what lies between −1 and 1), ``"ratio"``,
            ``"r2"`` or ``"auc"``, as in `inscape.core.intervals.group_interval`.
        direction: ``"higher"`` or ``"lower"``: on which side of the null the claim is.
        folds: for AUC, the fold of each item: only items of one fold are compared.
        level: confidence level of the intervals.
        where: coordinates that all evidence carries.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> m = Measured("errors", groups=np.repeat(np.arange(30), 4), unit="share")
        >>> wrong = (rng.random(120) < 0.8).astype(float)
        >>> m.put("model", wrong, role="reference")
        >>> m.put("steered", wrong * (rng.random(120) < 0.5))
        >>> m.put("random vectors", wrong * (rng.random((99, 120)) < 0.95), role="null")
        >>> e = m.fall("steered", below="model", of="model", null="random vectors")
        >>> round(e.value, 1), e.p, e.null.draws
        (0.6, 0.01, 99)
    """

    def __init__(
        self,
        name: str,
        *,
        groups: Any = None,
        unit: str = "",
        kind: str = "mean",
        direction: Direction = "higher",
        folds: np.ndarray | None = None,
        level: float = 0.95,
        where: Mapping[str, str | int | float] | None = None,
    ) -> None:
        self.name, self.unit, self.kind, self.direction = name, unit, kind, direction
        self.level, self.where = level, dict(where or {})
        self._groups = None if groups is None else group_codes(np.asarray(groups))
        self._folds = folds
        self._size = None if self._groups is None else len(self._groups)
        self._conditions: dict[str, Condition] = {}
        self._draws: dict[str, tuple[np.ndarray, bool]] = {}
        self._resampled: dict[str, tuple[float, tuple[float, float]]] = {}
        self._cells: dict[str, dict[str, Any]] = {}

    @property
    def conditions(self) -> dict[str, Condition]:
        """The conditions by name, in the order they were put."""
        return dict(self._conditions)

    def put(
        self,
        condition: str,
        values: Any,
        second: Any = None,
        *,
        role: Role = "treatment",
        expensive: bool = False,
    ) -> None:
        """Add a condition.

        Args:
            condition: its name.
            values: one value an item (n,), or several draws of it (draws, n). For ``"ratio"`` the
                parts, for ``"r2"`` the losses, for ``"auc"`` the scores.
            second: for ``"ratio"`` the wholes, for ``"r2"`` the base, for ``"auc"`` which items are
                positive; (n,) or (draws, n).
            role: what it is to the others.
            expensive: for a null of at least five draws, each too expensive for the hundreds that a
                p-value needs.

        Raises:
            ValueError: the name is taken, the items are others, or a null has too few draws to be a
                distribution.
        """
        if condition in self._conditions:
            raise ValueError(f"{self.name}: there is already a condition {condition!r}")
        first = np.atleast_2d(np.asarray(values, dtype=np.float64))
        self._size = first.shape[1] if self._size is None else self._size
        if first.ndim != 2 or first.shape[1] != self._size:
            raise ValueError(
                f"{self.name}, {condition!r}: expected {self._size} items, shape (n,) or (draws, "
                f"n), got {np.shape(values)}"
            )
        least = FEWEST_DRAWS if expensive else 2
        if role == "null" and len(first) < least:
            raise ValueError(
                f"{self.name}, {condition!r}: a null is a distribution and needs at least {least} "
                f"draws, got {len(first)}; a single competitor has the role 'baseline' or "
                "'reference'"
            )
        draws = tuple(self._statistic(first, second, k) for k in range(len(first)))
        self._conditions[condition] = Condition(role, draws, expensive)

    def put_each(
        self,
        values: Mapping[Any, Any],
        second: Any = None,
        *,
        roles: Mapping[str, Role] | None = None,
        role: Role = "treatment",
        by: Sequence[str] = (),
    ) -> Measured:
        """Add several conditions.

        Args:
            values: condition → its values, as `put` takes them, or its statistic, jackknifed over
                the same groups. With `by`, each condition is a tuple of coordinates, such as
                ``("trained", 3)``, and is called ``"trained, 3"``.
            second: for all of them, as `put` takes it.
            roles: condition → its role; with `by`, first coordinate → role.
            role: of the conditions that `roles` does not name.
            by: names of the coordinates, which `evidence` gives in place of the condition.

        Returns:
            This measurement.

        Example:
            >>> m = Measured("errors").put_each({"a": [1, 2], "b": [2, 4]}, roles={"b": "baseline"})
            >>> m.gain("a", over="b").value
            -1.5
            >>> grid = {("lens", 0): [0, 1], ("lens", 1): [1, 1]}
            >>> [e.where for e in Measured("hits").put_each(grid, by=("reader", "layer")).evidence()]
            [{'reader': 'lens', 'layer': 0}, {'reader': 'lens', 'layer': 1}]
        """
        for key, own in values.items():
            condition = ", ".join(map(str, key)) if by else key
            as_what = (roles or {}).get(key[0] if by else key, role)
            if by:
                self._cells[condition] = dict(zip(by, key, strict=True))
            if isinstance(own, Jackknife):
                self.put_statistic(condition, own, role=as_what)
            else:
                self.put(condition, own, second, role=as_what)
        return self

    def put_statistic(self, condition: str, *draws: Jackknife, role: Role = "treatment") -> None:
        """Add a condition whose statistic is no mean, ratio or AUC, already jackknifed over the
        same groups.

        Args:
            condition: its name.
            draws: one jackknife, or one for each draw.
            role: what it is to the others.

        Raises:
            ValueError: the name is taken, or a null is given one draw.
        """
        if condition in self._conditions:
            raise ValueError(f"{self.name}: there is already a condition {condition!r}")
        if not draws or (role == "null" and len(draws) < 2):
            raise ValueError(f"{self.name}, {condition!r}: a null needs at least 2 draws")
        self._conditions[condition] = Condition(role, draws)

    def put_draws(self, null: str, values: Any, *, expensive: bool = False) -> None:
        """Add a null known by the value of the whole formula in each draw: scores of a sweep on
        shuffled labels.

        Args:
            null: its name.
            values: what the formula gives in each draw, (draws,).
            expensive: as in `put`.

        Raises:
            ValueError: too few draws to be a distribution.
        """
        drawn = np.asarray(values, dtype=np.float64)
        least = FEWEST_DRAWS if expensive else 2
        if len(drawn) < least:
            raise ValueError(
                f"{self.name}, {null!r}: a null needs at least {least} draws, got {len(drawn)}"
            )
        self._draws[null] = (drawn, expensive)

    def put_resampled(self, condition: str, value: float | int, draws: Any) -> None:
        """Add a statistic that jumps when a group is left out, so that no jackknife holds: the
        layer of a maximum.

        Its interval is the middle of its bootstrap draws over groups, and always holds the value.

        Args:
            condition: its name.
            value: the statistic.
            draws: the statistic in each bootstrap draw of the groups, (draws,).

        Raises:
            ValueError: the name is taken, or there are fewer than two draws.
        """
        drawn = np.asarray(draws, dtype=np.float64)
        if condition in self._resampled or condition in self._conditions:
            raise ValueError(f"{self.name}: there is already a condition {condition!r}")
        if len(drawn) < 2:
            raise ValueError(f"{self.name}, {condition!r}: an interval needs at least 2 draws")
        low, high = intervals.percentile(drawn, self.level)
        ends = min(float(low), float(value)), max(float(high), float(value))
        self._resampled[condition] = float(value), ends

    def put_quantile(
        self, condition: str, null: str, quantile: float, role: Role = "reference"
    ) -> None:
        """Add what that share of a null's draws stay below, jackknifed over the same groups.

        Args:
            condition: its name.
            null: a null that was put by its values.
            quantile: between 0 and 1.
            role: what it is to the others.
        """
        draws = self._get(null).draws
        point = combine(lambda *d: np.quantile(d, quantile, axis=0), *draws)
        self.put_statistic(condition, point, role=role)

    def value(self, condition: str, *, null: str = "", **more: Any) -> Evidence:
        """The statistic of a condition.

        Args:
            condition: its name.
            null: the null it is tested against.
            more: further fields of `Evidence`: ``name``, ``unit``, ``direction``, ``where``.
        """
        if condition in self._resampled:
            return self._of_resampled(condition, null, more)
        return self._evidence(self.name, lambda c: c, condition, (), null, more)

    def gain(
        self,
        condition: str,
        *,
        over: str,
        of: str | tuple[str, str] = "",
        null: str = "",
        **more: Any,
    ) -> Evidence:
        """By how much a condition is above another, paired.

        Args:
            condition: its name.
            over: the competitor or the start.
            of: the condition whose statistic is the unit; a pair (top, base) for the difference of
                two.
            null: the null that takes the condition's place.
            more: further fields of `Evidence`.
        """
        name = f"{self.name}: {condition} − {over}"
        return self._relative(name, 1, condition, over, of, null, more)

    def fall(
        self,
        condition: str,
        *,
        below: str,
        of: str | tuple[str, str] = "",
        null: str = "",
        **more: Any,
    ) -> Evidence:
        """By how much a condition is below another, paired; arguments as in `gain`."""
        name = f"{self.name}: {below} − {condition}"
        return self._relative(name, -1, condition, below, of, null, more)

    def ratio(self, condition: str, *, over: str, null: str = "", **more: Any) -> Evidence:
        """How many times as large a condition is as another, paired: ``S(c) / S(over)``.

        Where neither can be negative (shares, areas, means of values that are at least 0) the
        interval is made on the log scale; otherwise it is Fieller's, and there is none where the
        interval of the denominator holds zero.

        Args:
            condition: its name.
            over: the condition that is the unit.
            null: the null that takes the condition's place.
            more: further fields of `Evidence`; the unit is ``"times"`` unless another is given.

        Example:
            >>> m = Measured("error").put_each({"a": [2.0, 6.0, 4.0], "b": [1.0, 3.0, 2.0]})
            >>> e = m.ratio("a", over="b")
            >>> e.value, e.unit
            (2.0, 'times')
        """
        name = f"{self.name}: {condition} / {over}"
        more = {"unit": "times", **more}
        return self._evidence(name, lambda c, unit: c / unit, condition, (over,), null, more)

    def combined(
        self,
        name: str,
        formula: Callable[..., np.ndarray],
        *conditions: str,
        kind: str = "any",
        null: str = "",
        **more: Any,
    ) -> Evidence:
        """Any function of the statistics of several conditions, paired: the mean over layers, a
        quantile of gains.

        Args:
            name: what it is.
            formula: takes one array for each condition and works elementwise.
            conditions: their names.
            kind: of what comes out, as in `inscape.core.jackknife.Jackknife`: ``"share"`` for the
                least or the mean of shares, which has exact limits at 0 and 1, ``"positive"`` for
                what cannot be negative. A quotient of two conditions is `ratio`.
            null: the null, whose draws take the first condition's place, or which is put by the
                formula's values.
            more: further fields of `Evidence`.
        """

        def apply(*statistics: Jackknife) -> Jackknife:
            return combine(formula, *statistics, kind=kind)

        return self._evidence(name, apply, conditions[0], conditions[1:], null, more)

    def evidence(self, null: str = "", by: str = "condition") -> list[Evidence]:
        """The statistic of every condition that is not a null; `by` names the coordinate of those
        that were put without coordinates of their own.
        """
        return [
            self.value(
                name,
                null=null if c.role == "treatment" else "",
                where=self._cells.get(name, {by: name}),
            )
            for name, c in self._conditions.items()
            if c.role != "null"
        ]

    def each(self, null: str, by: str = "condition") -> dict[str, Evidence]:
        """The statistic of every condition, nulls too, each against one of the nulls; that null
        itself against none.

        Args:
            null: the null.
            by: names the coordinate.
        """
        return {
            name: self.value(name, null="" if name == null else null, where={by: name})
            for name in self._conditions
        }

    def table(self, null: str = "") -> pd.DataFrame:
        """`evidence` as a flat table."""
        return table(self.evidence(null))

    def _relative(
        self,
        name: str,
        sign: int,
        condition: str,
        other: str,
        of: str | tuple[str, str],
        null: str,
        more: dict[str, Any],
    ) -> Evidence:
        ends = [of] if isinstance(of, str) else list(of)
        rest = [other, *(end for end in ends if end)]

        def formula(c: Jackknife, start: Jackknife, *unit: Jackknife) -> Jackknife:
            difference = c - start if sign > 0 else start - c
            if not unit:
                return difference
            return difference / (unit[0] if len(unit) == 1 else unit[0] - unit[1])

        made = self._evidence(name, formula, condition, rest, null, more)
        role = self._get(other).role
        if role in ("treatment", "null"):
            return made
        start = self.value(other)
        low, high = start.interval if start.interval is not None else (None, None)
        beside = Beside(role, other, float(start.value), low, high)
        return replace(made, beside=(*made.beside, beside))

    def _evidence(
        self,
        name: str,
        formula: Any,
        condition: str,
        rest: Sequence[str],
        null: str,
        more: dict[str, Any],
    ) -> Evidence:
        own, others = self._get(condition), [self._get(r).mean for r in rest]
        draws = [formula(d, *others) for d in own.draws]
        found = formula(own.mean, *others)
        interval = intervals.interval(over_draws(found, [d.value for d in draws]), self.level)
        chance: dict[str, Any] = {}
        if null:
            direction = more.get("direction", self.direction)
            chance = self._chance(found, null, formula, others, direction)
        where = {**self.where, **more.pop("where", {})}
        facts = {"name": name, "unit": self.unit, "direction": self.direction, **more}
        return Evidence(
            value=found.value,
            interval=interval.ends,
            n=self._size,
            level=self.level,
            where=where,
            warnings=interval.warnings,
            **{**facts, **chance},
        )

    def _of_resampled(self, condition: str, null: str, more: dict[str, Any]) -> Evidence:
        value, ends = self._resampled[condition]
        facts = {"name": self.name, "unit": self.unit, "direction": self.direction, **more}
        facts["where"] = {**self.where, **more.get("where", {})}
        if null:
            drawn, expensive = self._draws.get(null, (np.empty(0), True))
            if expensive:
                raise ValueError(
                    f"{self.name}, {condition!r}: the null of a resampled statistic is put by its "
                    f"draws, with a p-value; {null!r} is not"
                )
            facts["p"] = one_sided_p(value, drawn, facts["direction"])
            facts["null"] = Null.of(null, drawn)
        return Evidence(value=value, interval=ends, n=self._size, level=self.level, **facts)

    def _chance(
        self,
        found: Jackknife,
        null: str,
        formula: Any,
        others: Sequence[Jackknife],
        direction: Direction,
    ) -> dict[str, Any]:
        drawn: list[Jackknife] = []
        if null in self._draws:
            values, expensive = self._draws[null]
        else:
            condition = self._get(null)
            if condition.role != "null":
                raise ValueError(f"{self.name}: {null!r} is a {condition.role}, not a null")
            drawn = [formula(d, *others) for d in condition.draws]
            values, expensive = np.array([d.value for d in drawn]), condition.expensive
        summary = Null.of(null, values)
        if expensive:
            over = found
            if drawn:
                over = combine(lambda own, *d: own - np.mean(d, axis=0), found, *drawn)
            else:
                over = replace(
                    found, value=found.value - values.mean(), without=found.without - values.mean()
                )
                over = replace(over, kind="any", fraction=None)
            ends = intervals.interval(over_draws(over, -values), self.level).ends
            return {"null": summary, "over_null": ends}
        return {"null": summary, "p": one_sided_p(found.value, values, direction)}

    def _statistic(self, first: np.ndarray, second: Any, draw: int) -> Jackknife:
        values: Any = first[draw]
        if second is not None:
            dtype = None if self.kind == "auc" else np.float64
            other = np.atleast_2d(np.asarray(second, dtype=dtype))
            values = (values, other[draw if len(other) > 1 else 0])
        groups = np.arange(first.shape[1]) if self._groups is None else self._groups
        return intervals.statistic(values, groups, self.kind, folds=self._folds)

    def _get(self, condition: str) -> Condition:
        if condition in self._resampled:
            raise ValueError(
                f"{self.name}: {condition!r} is resampled and has a value alone; only statistics "
                "that are jackknifed are paired with others"
            )
        if condition not in self._conditions:
            have = ", ".join(map(repr, self._conditions)) or "none"
            raise ValueError(f"{self.name}: there is no condition {condition!r}; there are {have}")
        return self._conditions[condition]


def measured_grid(
    name: str, values: Mapping[tuple[Any, ...], Any], names: Sequence[str], **options: Any
) -> list[Evidence]:
    """Evidence for every cell of a grid, such as reader × layer, each on its own items.

    Args:
        name: what is measured.
        values: coordinates of a cell → one value an item, or several draws of it, as `Measured.put`
            takes them.
        names: of the coordinates.
        options: of every `Measured`: ``groups``, ``unit``, ``kind``.

    Example:
        >>> found = measured_grid("hits", {("lens", 0): [0, 1], ("lens", 1): [1, 1]}, ("reader", "layer"))
        >>> [(e.where["layer"], e.value) for e in found]
        [(0, 0.5), (1, 1.0)]
    """
    found = []
    for cell, own in values.items():
        m = Measured(name, **options)
        m.put("cell", own)
        found.append(m.value("cell", where=dict(zip(names, cell, strict=True))))
    return found


def fact(name: str, value: float, unit: str, **more: Any) -> Evidence:
    """What has no sampling: an identity up to rounding, a count in a fixed network. It has no
    interval.

    Args:
        name: what it is.
        value: the number.
        unit: of the number.
        more: further fields of `Evidence`: ``direction``, ``n``, ``beside``.
    """
    return Evidence(name, float(value), unit=unit, **more)


def over_draws(found: Jackknife, values: Sequence[float] | np.ndarray) -> Jackknife:
    """The statistic with the variance of the mean over draws added: each draw counts as one more
    group. Both parts of a quotient are widened by the same factor.

    Args:
        found: the statistic averaged over draws, jackknifed over groups.
        values: its value in each draw.
    """
    k = len(values)
    if k < 2:
        return found
    v = np.asarray(values, dtype=np.float64)
    moved = (v - v.mean()) / np.sqrt(k * (k - 1))
    wider = replace(
        found,
        without=np.concatenate([found.without, found.value - moved]),
        weights=np.concatenate([found.weights, np.zeros((len(found.weights), k))], axis=1),
    )
    if found.fraction is None:
        return wider
    # Fieller's limits are of the two parts, whose values in each draw are not known here
    factor = wider.variance / found.variance if found.variance > 0 else 0.0
    parts = tuple(part.widened(factor) for part in found.fraction)
    return replace(wider, fraction=parts if factor else None)
