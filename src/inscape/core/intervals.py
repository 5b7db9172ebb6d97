"""Intervals over groups that hold their coverage, and the bootstrap over groups.

Rows of one group are not independent, so groups are what varies. `group_interval` takes the
jackknife over groups (`inscape.core.jackknife`) and Student's t with degrees of freedom that follow
the weights of the groups,

    df = min( (Σ w^(5/4))² / Σ w^(5/2) − 1,  2 / (Σ Δ⁴ / (Σ Δ²)² − 1/G) )        Δ_g = θ − θ₍₋g₎

(the exponent lies between 1, rows of a group as good as independent, and 2, rows of a group all
alike; 5/4 was chosen by the table in ``docs/calibration.md``; the second term lowers df where the
groups' shifts have heavy tails), on the scale on which the statistic is nearest to normal:

    R²                         log(1 − R²)
    AUC, means of shares       logit
    correlation                artanh
    what cannot be negative    log
    share                      Korn and Graubard's binomial limits with p (1 − p) / V trials
    ratio whose denominator    Fieller's set; none where the denominator's interval holds zero
    may change sign
    anything else              as it is

A share of exactly 0 or 1 gets Clopper and Pearson's limits with one trial for each effective group.
Below `FEW_GROUPS` effective groups the interval carries a warning, below `NO_INTERVAL` there is
none.

The interval covers the score of *the probes that were fitted*, on new groups; they are not fitted
again. It was measured to cover the mean over training sets as well, within a hundredth or two from
12 effective groups on.

Reference: Bell and McCaffrey (2002), Survey Methodology 28; Korn and Graubard (1998), Survey
Methodology 24; Fieller (1954), JRSS B 16; Efron and Tibshirani (1993), An introduction to the
bootstrap, ch. 8 and 11; Field and Welsh (2007), Bootstrapping clustered data, JRSS B 69.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit, logit
from scipy.stats import beta, t

from inscape.core.folds import group_codes
from inscape.core.jackknife import Jackknife, effective_groups

#: intervals that rest on fewer effective groups than this carry a warning
FEW_GROUPS = 12
#: and below this there is none
NO_INTERVAL = 3
#: of the weights in the degrees of freedom
_POWER = 1.25

#: means of what has bounds, and the scale of their intervals
_MEANS = {"bounded": "area", "correlation": "correlation"}


@dataclass(frozen=True)
class Interval:
    """A confidence interval and what it rests on.

    Attributes:
        low, high: its ends; None where none can be given.
        effective_groups: groups as they count (see `inscape.core.jackknife`).
        method: how it was made, in words.
        warning: what a reader must know, or why there is none; empty where nothing is.
    """

    low: float | None
    high: float | None
    effective_groups: float
    method: str
    warning: str = ""

    @property
    def ends(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warning as `inscape.core.evidence.Evidence` takes it."""
        return (self.warning,) if self.warning else ()


def group_interval(
    values: Any,
    codes: Any,
    kind: str = "mean",
    level: float = 0.95,
    *,
    folds: Int[np.ndarray, " n"] | None = None,
) -> Interval:
    """The interval of one statistic over groups.

    Args:
        values: ``"mean"``: values (n,); ``"bounded"`` and ``"correlation"`` where they lie between 0
            and 1, or −1 and 1, and the interval should, too. ``"ratio"``: (part, whole), each (n,), for Σ part / Σ
            whole. ``"r2"``: (loss, base) for 1 − Σ loss / Σ base. ``"auc"``: (scores, positive).
        codes: group of each row, any values; ``np.arange(n)`` for rows that are independent.
        kind: the statistic.
        level: confidence.
        folds: for AUC, the fold of each row: only rows of one fold are compared.

    Returns:
        The interval; `Interval.ends` is None where none can be given, and the warning says why.

    Raises:
        ValueError: an unknown kind or a level outside (0, 1).

    Example:
        >>> found = group_interval(np.array([0, 0, 1, 1.0] * 10), np.repeat(np.arange(20), 2))
        >>> f"{found.low:.2f} {found.high:.2f} {found.effective_groups:.0f}"
        '0.25 0.75 20'
    """
    return interval(statistic(values, codes, kind, folds=folds), level)


def paired_interval(
    a: Any,
    b: Any,
    codes: Any,
    kind: str = "mean",
    level: float = 0.95,
    *,
    of: str = "difference",
    folds: Int[np.ndarray, " n"] | None = None,
) -> Interval:
    """The interval of a − b (or a / b), two conditions on the same rows: what makes a group hard
    for both cancels.

    Args:
        a, b: values of the two conditions, as in `group_interval`.
        codes, kind, level, folds: as there.
        of: the difference or the quotient.
    """
    if of not in ("difference", "quotient"):
        raise ValueError(f"paired_interval: of must be 'difference' or 'quotient', got {of!r}")
    one, two = (statistic(x, codes, kind, folds=folds) for x in (a, b))
    return interval(one - two if of == "difference" else one / two, level)


def statistic(
    values: Any, codes: Any, kind: str = "mean", *, folds: Int[np.ndarray, " n"] | None = None
) -> Jackknife:
    """The jackknife of a statistic; arguments as in `group_interval`."""
    numbers = group_codes(np.asarray(codes))
    if kind == "mean":
        return Jackknife.mean(values, numbers)
    if kind in _MEANS:
        return replace(Jackknife.mean(values, numbers), kind=_MEANS[kind])
    if kind not in ("ratio", "r2", "auc"):
        raise ValueError(
            "group_interval: kind must be 'mean', 'bounded', 'correlation', 'ratio', 'r2' or "
            f"'auc', got {kind!r}"
        )
    first, second = values
    if kind == "auc":
        return Jackknife.auc(first, second, numbers, folds)
    return (Jackknife.ratio if kind == "ratio" else Jackknife.r2)(first, second, numbers)


def interval(found: Jackknife, level: float = 0.95) -> Interval:
    """The interval of a jackknifed statistic, on the scale that its kind asks for."""
    if not 0 < level < 1:
        raise ValueError(f"interval: level must be between 0 and 1, got {level}")
    effective, count = found.effective, len(found.without)
    if effective < NO_INTERVAL:
        why = (
            f"No interval: it would rest on {rests_on(effective, count)}, and needs at least "
            f"{NO_INTERVAL}."
        )
        return Interval(None, None, effective, "none", why)
    variance = found.variance
    if not np.isfinite([found.value, variance]).all():
        why = "No interval: without one of the groups the score is not defined."
        return Interval(None, None, effective, "none", why)
    warning = ""
    if effective < FEW_GROUPS:
        warning = f"The interval rests on only {rests_on(effective, count)}."
    df = degrees_of_freedom(found)
    ends, method = _ends(found, variance, df, effective, level)
    if ends is None:
        why = (
            "No interval: the interval of the denominator contains zero, so the ratio is not "
            "bounded."
        )
        return Interval(None, None, effective, method, why)
    if ends[0] == ends[1]:
        warning = f"{warning} Every group has the same value, so the interval has no width.".strip()
    return Interval(float(ends[0]), float(ends[1]), effective, method, warning)


def rests_on(effective: float, count: int) -> str:
    """What an interval or a null rests on, in words.

    Args:
        effective: effective groups, (Σ w)² / Σ w².
        count: groups.

    Example:
        >>> rests_on(8.0, 8), rests_on(8.83, 145)
        ('8 groups', '8.8 effective groups (145 groups of unequal weight)')
    """
    if round(effective, 1) >= count:
        return f"{count} group{'' if count == 1 else 's'}"
    return f"{effective:.1f} effective groups ({count} groups of unequal weight)"


def degrees_of_freedom(found: Jackknife) -> float:
    """Of Student's t for a jackknifed statistic; see the module."""
    square = found.shift**2
    df = effective_groups(found.weights, _POWER) - 1.0
    if (total := float(square.sum())) > 0:
        excess = float((square**2).sum()) / total**2 - 1.0 / len(square)
        df = min(df, 2.0 / max(excess, 1e-12))
    return max(df, 1.0)


def _ends(
    found: Jackknife, variance: float, df: float, effective: float, level: float
) -> tuple[tuple[float, float] | None, str]:
    value = found.value
    quantile = float(t.ppf((1 + level) / 2, df))
    if found.fraction is not None:
        return _fieller(*found.fraction, quantile), "Fieller's limits"
    reach = quantile * np.sqrt(variance)
    if found.kind == "area" and variance > 0 and 0 < value < 1:
        spread = reach / (value * (1 - value))
        ends = expit(logit(value) - spread), expit(logit(value) + spread)
        return (float(ends[0]), float(ends[1])), "group jackknife, t, logit scale"
    if found.kind in ("share", "area"):
        ends = _share(value, variance, df, effective, found.rows, level)
        return ends, "Korn-Graubard limits"
    if found.kind == "gain" and variance == 0 and value == 0:
        most = _share(0.0, 0.0, df, effective, found.rows, level)[1]
        return (-most, most), "Clopper-Pearson limits on effective groups"
    if found.kind == "positive" and value > 0:
        factor = np.exp(reach / value)
        return (value / factor, value * factor), "group jackknife, t, log scale"
    if found.kind == "correlation" and abs(value) < 1:
        centre, spread = np.arctanh(value), reach / (1 - value**2)
        ends = np.tanh(centre - spread), np.tanh(centre + spread)
        return (float(ends[0]), float(ends[1])), "group jackknife, t, artanh scale"
    if found.kind == "r2" and value < 1:
        factor = np.exp(reach / (1 - value))
        return (1 - (1 - value) * factor, 1 - (1 - value) / factor), "group jackknife, t, log scale"
    return (value - reach, value + reach), "group jackknife, t"


def _fieller(above: Jackknife, below: Jackknife, quantile: float) -> tuple[float, float] | None:
    """``{θ : (a − θ b)² ≤ q² Σ (Δa − θ Δb)²}``, None where it is not a finite interval."""
    square = quantile**2
    a = below.value**2 - square * below.variance
    b = above.value * below.value - square * float((above.shift * below.shift).sum())
    c = above.value**2 - square * above.variance
    if a <= 0:
        return None
    root = float(np.sqrt(max(b * b - a * c, 0.0)))
    return (b - root) / a, (b + root) / a


def _share(
    p: float, variance: float, df: float, effective: float, rows: int, level: float
) -> tuple[float, float]:
    """Clopper and Pearson's limits with as many trials as the variance says (Korn and Graubard)."""
    tail = (1 - level) / 2
    trials = effective
    if 0 < p < 1:
        trials = min(p * (1 - p) / variance, rows) if variance > 0 else float(rows)
        ratio = t.ppf(1 - tail, max(rows - 1, 1)) / t.ppf(1 - tail, df)
        trials *= float(ratio) ** 2
    x = p * trials
    low = float(beta.ppf(tail, x, trials - x + 1)) if p > 0 else 0.0
    high = float(beta.ppf(1 - tail, x + 1, trials - x)) if p < 1 else 1.0
    return low, high


def group_counts(
    groups: int, draws: int, *, rng: np.random.Generator
) -> Int[np.ndarray, "draws groups"]:
    """How often each group is drawn in each bootstrap sample; the rows sum to `groups`."""
    return rng.multinomial(groups, np.full(groups, 1.0 / groups), size=draws)


def sum_by_group(
    x: Float[np.ndarray, " n *c"], codes: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " groups *c"]:
    """Sums of the rows of `x` per group, groups 0 … max(codes)."""
    out = np.zeros((int(codes.max()) + 1, *x.shape[1:]))
    np.add.at(out, codes, x)
    return out


def bootstrap_ratio(
    loss: Float[np.ndarray, " groups *c"],
    base: Float[np.ndarray, " groups *c"],
    counts: Int[np.ndarray, "draws groups"],
) -> Float[np.ndarray, " draws *c"]:
    """``1 − Σ loss / Σ base`` for every draw.

    Args:
        loss: per group, the sum of what is lost (squared errors, wrong answers).
        base: per group, the sum it is compared with (squared deviations, answers).
        counts: from `group_counts`.

    Returns:
        Scores, (draws, …).
    """
    weights = counts.astype(np.float64)
    return 1.0 - np.tensordot(weights, loss, axes=1) / np.tensordot(weights, base, axes=1)


def bootstrap_auc(
    scores: Float[np.ndarray, " n"],
    positive: np.ndarray,
    folds: Int[np.ndarray, " n"],
    codes: Int[np.ndarray, " n"],
    counts: Int[np.ndarray, "draws groups"],
) -> Float[np.ndarray, " draws"]:
    """The area under the ROC curve for every draw, comparing only rows of one fold (one fitted
    probe).

    Args:
        scores: decision values (n,).
        positive: which rows are of the positive class, (n,) bool.
        folds: the fold each row was held out in.
        codes: group of each row.
        counts: from `group_counts`.

    Returns:
        Areas, (draws,); a draw that holds one class only counts as NaN.
    """
    won, pairs = np.zeros(len(counts)), np.zeros(len(counts))
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        up, down = rows[positive[rows]], rows[~positive[rows]]
        if len(up) == 0 or len(down) == 0:
            continue
        order = np.argsort(scores[down], kind="stable")
        down = down[order]
        weight_up, weight_down = (
            counts[:, codes[up]].astype(np.float64),
            counts[:, codes[down]].astype(np.float64),
        )
        below = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(weight_down, axis=1)], axis=1)
        left = below[:, np.searchsorted(scores[down], scores[up], side="left")]
        right = below[:, np.searchsorted(scores[down], scores[up], side="right")]
        won += (weight_up * (left + right) / 2).sum(axis=1)
        pairs += weight_up.sum(axis=1) * weight_down.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return won / pairs


def percentile(
    draws: Float[np.ndarray, " draws *c"], level: float = 0.95
) -> Float[np.ndarray, " 2 *c"]:
    """Lower and upper end of the central `level` of the draws, NaN draws left out.

    Raises:
        ValueError: a level that is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"percentile: level must be between 0 and 1, got {level}")
    return np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)


def bootstrap_p(draws: Float[np.ndarray, " draws *c"]) -> np.ndarray | float:
    """One-sided bootstrap p that the value is above zero: ``(1 + #{draw ≤ 0}) / (draws + 1)``; a
    NaN draw counts as ≤ 0.
    """
    return (1 + (~(draws > 0)).sum(axis=0)) / (len(draws) + 1)


def auc(scores: Float[np.ndarray, " n"], right: np.ndarray) -> float:
    """Area under the ROC curve over all pairs of rows; NaN where one class is missing or a score is
    NaN.

    Args:
        scores: decision values, (n,).
        right: 1 or True for rows of the positive class, else 0 or False, (n,).

    Raises:
        ValueError: not one label for each score, or labels other than these.
    """
    scores, right = np.asarray(scores, dtype=np.float64), np.asarray(right)
    n = len(scores)
    if len(right) != n or right.dtype.kind not in "biuf" or not np.isin(right, (0, 1)).all():
        raise ValueError(
            f"auc: needs 1 (positive) or 0 for each of the {n} scores, got {len(right)} labels of "
            f"{right.dtype}"
        )
    if np.isnan(scores).any():
        return float("nan")
    one, row = np.ones((1, 1), dtype=np.int64), np.zeros(n, dtype=np.int64)
    return float(
        bootstrap_auc(np.asarray(scores, dtype=np.float64), np.asarray(right) == 1, row, row, one)[
            0
        ]
    )
