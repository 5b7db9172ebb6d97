"""The jackknife over groups: a statistic without each group in turn, from sums that are made once.

    V = Σ_g (θ₍₋g₎ − θ)²                                  θ₍₋g₎: the statistic of all rows but those of group g

which for a ratio of sums is the cluster-robust variance CR3. Nothing is refitted: predictions are
held out already, so V says how the score would vary with other groups. Because every statistic here
is a function of sums over groups, two conditions on the same rows give a paired difference or
quotient by plain arithmetic on their jackknives.

How many groups a statistic rests on is not how many there are: with w_g the group's share of its
denominator

    effective groups = (Σ w)² / Σ w²

and, for two classes, that of the class for which it is smaller. Cost O(n) for sums, O(n log n) for
AUC.

Reference: MacKinnon and Webb (2017), J. Appl. Econometrics 32 (unequal clusters); Bell and
McCaffrey (2002), Survey Methodology 28 (degrees of freedom); Kish (1965), Survey sampling, §11.7
(effective size).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata


@dataclass(frozen=True, eq=False)
class Jackknife:
    """A statistic with its values without each group.

    Attributes:
        value: of all rows.
        without: of all rows but those of each group, (G,).
        weights: what the denominators are made of, one row for each that must hold enough groups,
            (m, G).
        rows: rows it rests on (of the rarer class for AUC).
        kind: ``"share"`` for what lies between 0 and 1, ``"area"`` for AUC, ``"positive"`` for what
            cannot be negative, ``"r2"`` for one minus what cannot be negative,
            ``"correlation"``, ``"gain"`` for a difference of shares, ``"any"`` otherwise; it
            decides the scale of an interval.
        fraction: numerator and denominator, where the denominator may change sign.

    Example:
        >>> two = Jackknife.mean(np.array([1.0, 3.0, 5.0]), np.array([0, 1, 2]))
        >>> two.value, two.without.tolist()
        (3.0, [4.0, 3.0, 2.0])
    """

    value: float
    without: Float[np.ndarray, " groups"]
    weights: Float[np.ndarray, "m groups"]
    rows: int
    kind: str = "any"
    fraction: tuple[Jackknife, Jackknife] | None = None

    @classmethod
    def mean(cls, values: Float[np.ndarray, " n"], codes: Int[np.ndarray, " n"]) -> Jackknife:
        """The mean of all rows."""
        values = np.asarray(values, dtype=np.float64)
        kind = "any"
        if len(values) and (values >= 0).all():
            kind = "share" if np.isin(values, (0.0, 1.0)).all() else "positive"
        ones = np.ones(len(values))
        return cls.of_sums(
            np.bincount(codes, values), np.bincount(codes, ones), rows=len(values), kind=kind
        )

    @classmethod
    def ratio(
        cls,
        part: Float[np.ndarray, " n"],
        whole: Float[np.ndarray, " n"],
        codes: Int[np.ndarray, " n"],
    ) -> Jackknife:
        """``Σ part / Σ whole``."""
        part, whole = (np.asarray(x, dtype=np.float64) for x in (part, whole))
        if (whole < 0).any() and (whole > 0).any():
            above, below = (cls.mean(x, codes) for x in (part, whole))
            weights = np.bincount(codes, np.abs(whole))[None]
            return replace(above / below, weights=weights)
        kind = "any"
        if len(part) and (part >= 0).all() and (whole >= 0).all():
            kind = "share" if (part <= whole).all() else "positive"
        return cls.of_sums(
            np.bincount(codes, part),
            np.bincount(codes, whole),
            rows=int(np.count_nonzero(whole)),
            kind=kind,
        )

    @classmethod
    def r2(
        cls,
        loss: Float[np.ndarray, " n"],
        base: Float[np.ndarray, " n"],
        codes: Int[np.ndarray, " n"],
    ) -> Jackknife:
        """``1 − Σ loss / Σ base``."""
        return cls.ratio(loss, base, codes).one_minus("r2")

    @classmethod
    def of_sums(
        cls,
        part: Float[np.ndarray, " groups"],
        whole: Float[np.ndarray, " groups"],
        *,
        rows: int,
        kind: str = "any",
    ) -> Jackknife:
        """A ratio from its sums per group; NaN where nothing is left to divide by."""
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(np.divide(part.sum(), whole.sum()))
            without = (part.sum() - part) / (whole.sum() - whole)
        return cls(value, without, np.abs(whole)[None], rows, kind)

    @classmethod
    def auc(
        cls,
        scores: Float[np.ndarray, " n"],
        positive: np.ndarray,
        codes: Int[np.ndarray, " n"],
        folds: Int[np.ndarray, " n"] | None = None,
    ) -> Jackknife:
        """The area under the ROC curve, comparing only rows of one fold (one fitted probe); ties
        count half.
        """
        scores, up = np.asarray(scores, dtype=np.float64), np.asarray(positive).astype(bool)
        folds = np.zeros(len(scores), dtype=np.int64) if folds is None else folds
        groups = int(codes.max()) + 1
        won, pairs = pairs_won(scores, up, folds)
        inner_won, inner_pairs = pairs_won(scores, up, folds * groups + codes)
        # every pair is counted at both its ends, so pairs inside a group are counted twice in the
        # group's sum
        lost_won = np.bincount(codes, won) - np.bincount(codes, inner_won * up)
        lost_pairs = np.bincount(codes, pairs) - np.bincount(codes, inner_pairs * up)
        total_won, total = float(won[up].sum()), float(pairs[up].sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(np.divide(total_won, total))
            without = (total_won - lost_won) / (total - lost_pairs)
        compared = pairs > 0
        weights = np.stack([np.bincount(codes, side & compared, groups) for side in (up, ~up)])
        rows = int(min((up & compared).sum(), (~up & compared).sum()))
        return cls(value, without, weights, rows, "area")

    @property
    def effective(self) -> float:
        """Effective groups: of the denominator in which they are fewest."""
        return effective_groups(self.weights)

    @property
    def shift(self) -> Float[np.ndarray, " groups"]:
        """What each group moves the statistic by, ``θ − θ₍₋g₎``."""
        return self.value - self.without

    @property
    def variance(self) -> float:
        """``Σ_g (θ₍₋g₎ − θ)²``; NaN where a statistic without a group is not defined."""
        return float((self.shift**2).sum())

    def widened(self, factor: float) -> Jackknife:
        """The same value with its variance times a factor: every group moves it further by the
        factor's root.
        """
        return replace(self, without=self.value + (self.without - self.value) * factor**0.5)

    def one_minus(self, kind: str = "any") -> Jackknife:
        """One minus the statistic."""
        return replace(self, value=1.0 - self.value, without=1.0 - self.without, kind=kind)

    def exp(self) -> Jackknife:
        """``e`` to the statistic: a mean difference of log-probabilities as a factor on the
        odds.
        """
        return combine(np.exp, self, kind="positive")

    def __sub__(self, other: Jackknife) -> Jackknife:
        """Paired difference over the same groups."""
        kind = "gain" if self.kind == other.kind and self.kind in ("share", "area") else "any"
        return combine(lambda a, b: a - b, self, other, kind=kind)

    def __truediv__(self, other: Jackknife) -> Jackknife:
        """Paired quotient over the same groups."""
        positive = {self.kind, other.kind} <= {"share", "area", "positive"}
        out = combine(lambda a, b: a / b, self, other, kind="positive" if positive else "any")
        return out if positive else replace(out, fraction=(self, other))


def combine(of: Callable[..., np.ndarray], *parts: Jackknife, kind: str = "any") -> Jackknife:
    """Any function of several statistics over the same groups: differences, means, harmonic means.

    Args:
        of: takes one array for each part and works elementwise.
        parts: the statistics.
        kind: of what comes out, as in `Jackknife`.

    Raises:
        ValueError: the parts have different groups.
    """
    if len({len(p.without) for p in parts}) != 1:
        raise ValueError(
            f"combine: all statistics need the same groups, got {[len(p.without) for p in parts]}"
        )
    stacked = [np.concatenate([[p.value], p.without]) for p in parts]
    with np.errstate(invalid="ignore", divide="ignore"):
        out = np.asarray(of(*stacked), dtype=np.float64)
    weights = np.concatenate([p.weights for p in parts])
    return Jackknife(float(out[0]), out[1:], weights, min(p.rows for p in parts), kind)


def left_out(
    statistic: Callable[[np.ndarray], float], codes: Int[np.ndarray, " n"], kind: str = "any"
) -> Jackknife:
    """Any statistic of rows, computed anew without each group: for what is no function of sums.

    Args:
        statistic: takes the indices of rows.
        codes: group of each row, 0 … G − 1.
        kind: of the statistic, as in `Jackknife`.

    Example:
        >>> x = np.array([1.0, 3.0, 5.0])
        >>> left_out(lambda rows: float(np.median(x[rows])), np.arange(3)).without.tolist()
        [4.0, 3.0, 2.0]
    """
    rows, size = np.arange(len(codes)), np.bincount(codes).astype(np.float64)
    without = np.array([statistic(rows[codes != g]) for g in range(len(size))])
    return Jackknife(float(statistic(rows)), without, size[None], len(codes), kind)


def mean_of_pairs(values: Float[np.ndarray, "g g"]) -> Jackknife:
    """The mean over ordered pairs of different members (networks, subjects), without each member in
    turn.

    Args:
        values: one for each pair; the diagonal is not looked at.

    Example:
        >>> values = np.array([[np.nan, 1, 2], [1, np.nan, 6], [2, 6, np.nan]])
        >>> mean_of_pairs(values).value, mean_of_pairs(values).without.tolist()
        (3.0, [6.0, 2.0, 1.0])
    """
    others = ~np.eye(len(values), dtype=bool)

    def statistic(kept: np.ndarray) -> float:
        part = np.ix_(kept, kept)
        return float(np.asarray(values, dtype=np.float64)[part][others[part]].mean())

    return left_out(statistic, np.arange(len(values)))


def over_groups(found: Jackknife, here: Int[np.ndarray, " g"], total: int) -> Jackknife:
    """A statistic of some of the groups as one of all of them: the others move it by nothing.

    Args:
        found: jackknifed over the groups that are there.
        here: number of each of these among all groups, in its order.
        total: how many groups there are.
    """
    without = np.full(total, found.value)
    without[here] = found.without
    weights = np.zeros((len(found.weights), total))
    weights[:, here] = found.weights
    return replace(found, without=without, weights=weights)


def effective_groups(weights: Float[np.ndarray, "*m groups"], power: float = 1.0) -> float:
    """``(Σ w)² / Σ w²`` of the weights to a power; the least over rows of weights, 0 where all are
    zero.

    Example:
        >>> effective_groups(np.ones(8)), round(effective_groups(np.array([6.0, 1, 1, 1, 1])), 2)
        (8.0, 2.5)
    """
    w = np.atleast_2d(np.asarray(weights, dtype=np.float64)) ** power
    square = (w**2).sum(axis=1)
    counts = np.divide(w.sum(axis=1) ** 2, square, out=np.zeros(len(w)), where=square > 0)
    return float(counts.min())


def pairs_won(
    scores: Float[np.ndarray, " n"], up: np.ndarray, cells: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Per row, the pairs with rows of the other class in its cell that are in the right order (ties
    half), and all of them.

    Args:
        scores: decision values (n,).
        up: rows of the positive class, (n,) bool.
        cells: rows are compared within a cell only.
    """
    rank = rankdata(scores, method="dense").astype(np.int64) - 1
    span = int(rank.max()) + 1
    key = cells * span + rank
    won, pairs = np.empty(len(scores)), np.empty(len(scores))
    for mine, sign in ((up, 1), (~up, -1)):
        others = np.sort(key[~mine])
        first, last = (np.searchsorted(others, (cells[mine] + j) * span) for j in (0, 1))
        below = np.searchsorted(others, key[mine], "left") - first
        within = np.searchsorted(others, key[mine], "right") - first
        count = last - first
        half = (below + within) / 2
        won[mine], pairs[mine] = half if sign > 0 else count - half, count
    return won, pairs
