"""Detectors: one protocol for reading off a network whether what it says is right.

Which token (the prompt's end, the first generated, the exact answer's last, the last), which layer,
which penalty: all chosen inside the training folds by held-out log loss, among candidates named
beforehand; whole groups are held out; the null is the same procedure on labels shuffled by group. A
baseline (a log-probability, the length of the prompt) goes through the same folds as a
representation of its own, so that every difference is paired.

    AUC over pairs of rows of one fold;   confidence = σ(decision value), out of fold

Reference: Orgad et al. (2024), arXiv:2410.02707, §3; Varma and Simon (2006), BMC Bioinformatics
7:91 (choice inside).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int
from scipy.special import expit

from inscape.core import intervals
from inscape.core.arrays import to_numpy
from inscape.core.errors import DataError
from inscape.core.evidence import Beside, Evidence, Null
from inscape.core.folds import Fold, group_codes, group_folds
from inscape.core.intervals import auc
from inscape.core.jackknife import left_out
from inscape.core.measured import Measured
from inscape.core.nulls import p_value, permutations
from inscape.data.examples import Examples
from inscape.data.positions import resolve
from inscape.model.model import Model
from inscape.probing.sweep import sweep
from inscape.probing.sweep_result import SweepResult
from inscape.read.calibration import brier, ece, reliability
from inscape.read.logistic import LogisticProbe
from inscape.read.risk_coverage import aurc, risk_coverage
from inscape.read.transfer import DataSet, Transfer, transfer
from inscape.store.store import Store

#: between a token and a site in the name of a candidate
AT = "@"
#: penalties tried: few, because every candidate site tries them all
CS = (1e-3, 1e-2, 1e-1)


def states(
    store: Store,
    model: Model,
    examples: Examples,
    tokens: Sequence[str],
    sites: Iterable[Any] | None = None,
) -> Iterator[tuple[str, Float32[np.ndarray, "n d"]]]:
    """Candidates of a harvest at ``spans:…``: each site at each token, named ``site@token``.

    Args:
        store: harvested at ``spans:A,B,…`` (or one ``span:A``) of these examples.
        model: tokenises them again, to find which row is which token.
        examples: those harvested.
        tokens: spans to give.
        sites: those of the store by default.

    Yields:
        Name and rows in the order of the examples.
    """
    frame = store.frame()
    numbers = frame["example"].to_numpy() if "example" in frame else np.arange(len(frame))
    row_of = {
        (int(e), int(p)): i for i, (e, p) in enumerate(zip(numbers, frame["position"], strict=True))
    }
    found = model.tokenize(examples.texts())
    spans = [examples.span(i) for i in range(len(examples))]
    rows = {
        token: np.array(
            [
                row_of[i, int(resolve(f"span:{token}", found[i], spans[i])[0])]
                for i in range(len(found))
            ]
        )
        for token in tokens
    }
    for site, x in store.matrices(sites):
        for token, index in rows.items():
            yield f"{site}{AT}{token}", x[index]


def detect(
    candidates: Mapping[str, Any] | Callable[[], Iterable[tuple[str, Any]]],
    right: np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    *,
    folds: int = 5,
    shuffles: int = 0,
    seed: int = 0,
    name: str = "right",
    progress: Callable[[int, int | None, str], None] | None = None,
) -> SweepResult:
    """Fit a detector at every candidate; ``selected`` of the result is the one its training folds
    choose.

    Args:
        candidates: name → rows (n, d), as `states` gives them.
        right: 1 where what was said is right.
        groups: grouping for cross-validation.
        folds: of whole groups; the same for every call with the same groups and seed.
        shuffles: of the labels, by group, for the null.
        seed: of folds, shuffles and bootstrap.
        name: of what is detected.
        progress: as in `inscape.probing.sweep.sweep`.

    Raises:
        ValueError: outcomes other than 0 and 1.
    """
    return sweep(
        candidates,
        _outcomes(right),
        groups=groups,
        folds=folds,
        task="classification",
        metric="auc",
        shuffles=shuffles,
        alphas=CS,
        seed=seed,
        target_names=(name,),
        progress=progress,
    )


def detect_each(
    candidates: Mapping[Any, np.ndarray],
    right: np.ndarray,
    groups: np.ndarray,
    parts: Mapping[str, Int[np.ndarray, " rows"]],
    *,
    advance: Callable[[], object] = lambda: None,
    **how: Any,
) -> dict[str, SweepResult]:
    """`detect` on each part of the rows by itself: on each of several tasks.

    Args:
        candidates: name → rows (n, d).
        right: 1 where what was said is right, (n,).
        groups: grouping for cross-validation, (n,).
        parts: name → its rows.
        advance: called after each candidate of each part.
        how: ``folds``, ``shuffles`` and ``seed``, as in `detect`.
    """
    return {
        name: detect(
            {str(n): x[rows] for n, x in candidates.items()},
            right[rows],
            groups[rows],
            name=name,
            progress=lambda *_: advance(),
            **how,
        )
        for name, rows in parts.items()
    }


def only(result: SweepResult, token: str) -> SweepResult:
    """The part of a result that looks at one token, its sites under their own names.

    Raises:
        DataError: no candidate looks at that token.
    """
    at = [i for i, s in enumerate(result.sites) if s.partition(AT)[2] == token]
    if not at:
        known = sorted({s.partition(AT)[2] for s in result.sites})
        raise DataError(
            f"no candidate looks at the token {token!r}; those there are: {', '.join(known)}."
        )
    parts = {
        f: getattr(result, f)[at] for f in ("loss", "inner", "penalties", "row_loss", "predictions")
    }
    names = tuple(result.sites[i].partition(AT)[0] for i in at)
    return replace(result, sites=names, widths=tuple(result.widths[i] for i in at), **parts)


def by_token(result: SweepResult, tokens: Mapping[str, str]) -> dict[str, SweepResult]:
    """`only` of several tokens.

    Args:
        result: of `detect`.
        tokens: token → what it is called.
    """
    return {name: only(result, token) for token, name in tokens.items()}


def fold_of(result: SweepResult) -> list[Fold]:
    """The folds of a result as (train rows, held-out rows)."""
    return [
        (np.flatnonzero(result.folds != f), np.flatnonzero(result.folds == f))
        for f in range(int(result.folds.max()) + 1)
    ]


def confidence(result: SweepResult) -> Float[np.ndarray, " n"]:
    """Out-of-fold probability of being right, each fold's from the candidate its training rows
    choose.
    """
    return expit(result.selected_predictions[:, 0])


def fitted(
    result: SweepResult, matrices: Mapping[str, np.ndarray], groups: np.ndarray
) -> list[LogisticProbe]:
    """The probe of each fold, on the candidate its training rows choose: to score rows the sweep
    has not seen.

    Args:
        result: of `detect`.
        matrices: the candidates by name.
        groups: as given to `detect`.
    """
    codes, out = group_codes(groups), []
    for f, (train, _) in enumerate(fold_of(result)):
        x = matrices[result.sites[int(result.chosen[f, 0])]]
        out.append(
            LogisticProbe(CS, tol=1e-4).fit(
                x[train], result.y[train, 0].astype(np.int64), groups=codes[train]
            )
        )
    return out


def scores_of_others(
    result: SweepResult,
    matrices: Mapping[str, np.ndarray],
    groups: np.ndarray,
    others: Mapping[str, np.ndarray],
    like: Int[np.ndarray, " m"],
) -> Float[np.ndarray, " m"]:
    """Log-odds of rows that the sweep has not seen, each by the probe that has not seen its kin.

    Args:
        result: of `detect`.
        matrices: the candidates by name, (n, d).
        groups: as given to `detect`.
        others: the further rows of each candidate, (m, d).
        like: for each of them the row of the sweep whose group it shares.
    """
    fold, out = result.folds[like], np.empty(len(like))
    for f, probe in enumerate(fitted(result, matrices, groups)):
        rows = np.flatnonzero(fold == f)
        if len(rows):
            x = others[result.sites[int(result.chosen[f, 0])]]
            out[rows] = probe.decision_function(x[rows])
    return out


def scores_of_others_each(
    found: Mapping[str, SweepResult],
    matrices: Mapping[str, np.ndarray],
    groups: np.ndarray,
    parts: Mapping[str, Int[np.ndarray, " rows"]],
    others: Mapping[str, np.ndarray],
    like: Int[np.ndarray, " m"],
) -> Float[np.ndarray, " m"]:
    """`scores_of_others`, each row by the probes of its own part.

    Args:
        found: of `detect_each`.
        matrices: the candidates by name, (n, d).
        groups: as given to `detect_each`.
        parts: as given to `detect_each`, their rows in rising order.
        others: the further rows of each candidate, (m, d).
        like: for each of them the row whose part and group it shares.

    Raises:
        ValueError: rows of a part that do not rise.
    """
    if falling := [name for name, rows in parts.items() if (np.diff(rows) <= 0).any()]:
        raise ValueError(f"scores_of_others_each: the rows of {falling[0]} must rise; sort them")
    out = np.full(len(like), np.nan)
    for name, rows in parts.items():
        mine, result = np.flatnonzero(np.isin(like, rows)), found[name]
        out[mine] = scores_of_others(
            result,
            {s: matrices[s][rows] for s in result.sites},
            groups[rows],
            {s: others[s][mine] for s in result.sites},
            np.searchsorted(rows, like[mine]),
        )
    return out


def transfer_each(
    x: Float[np.ndarray, "n d"] | Float32[np.ndarray, "n d"],
    right: np.ndarray,
    groups: np.ndarray,
    parts: Mapping[str, Int[np.ndarray, " rows"]],
    found: Mapping[str, SweepResult],
) -> Transfer:
    """Detectors at one site, fixed beforehand, fitted on each part and scored on all; on its own
    part in the folds of that part's sweep.

    Args:
        x: the representation.
        right: 1 where what was said is right, (n,).
        groups: grouping for cross-validation, (n,).
        parts: as given to `detect_each`: the rows of each task.
        found: of `detect_each`, for the folds.
    """
    y = _outcomes(right)
    sets = {
        name: DataSet(x[rows], y[rows], groups[rows], fold_of(found[name]))
        for name, rows in parts.items()
    }
    return transfer(sets, LogisticProbe(CS, tol=1e-4))


def scores_of_confidence(
    confidences: Mapping[str, Float[np.ndarray, " n"]],
    right: np.ndarray,
    groups: np.ndarray,
    *,
    rng: np.random.Generator,
    draws: int = 200,
) -> list[Evidence]:
    """AUC, ECE, Brier score and AURC of several confidences in the same answers, with intervals
    over groups.

    AUC has a null and a p: the same confidence with outcomes shuffled by group. Errors of
    calibration have none, since a shuffled outcome says nothing of how well a confidence is
    calibrated. ECE is of ten bins of equal mass.

    Args:
        confidences: name → probability of being right.
        right: 1 where right.
        groups: what is left out, and shuffled, as a whole.
        rng: of the shuffles.
        draws: shuffles of the null.
    """
    y, codes = np.asarray(right, dtype=np.float64), group_codes(groups)
    orders = permutations(len(y), draws, rng=rng, groups=codes, labels=y)
    out = []
    for name, p in confidences.items():
        null = np.array([auc(p, y[o]) for o in orders])
        null = null[np.isfinite(null)]
        area = intervals.group_interval((p, y == 1), codes, "auc")
        value = auc(p, y)
        facts = {"n": len(y), "where": {"confidence": name}}
        out.append(
            Evidence(
                "AUC",
                value,
                area.ends,
                Null.of("outcomes shuffled by group", null) if len(null) else None,
                float(p_value(value, null)) if len(null) else None,
                unit="AUC",
                warnings=area.warnings,
                **facts,  # type: ignore[arg-type]
            )
        )
        measures: dict[str, Callable[[Any, Any], float]] = {
            "ECE": lambda p, z: ece(p, z, 10, "mass"),
            "Brier score": brier,
            "AURC": aurc,
        }
        for measure, of in measures.items():
            found = left_out(lambda rows, of=of, p=p: of(p[rows], y[rows]), codes)
            ends = intervals.interval(found)
            out.append(
                Evidence(
                    measure,
                    found.value,
                    ends.ends,
                    unit=measure,
                    direction="lower",
                    warnings=ends.warnings,
                    **facts,  # type: ignore[arg-type]
                )
            )
    return out


def held_out_odds(
    x: Float[np.ndarray, "n d"] | Float32[np.ndarray, "n d"],
    right: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    fold: Fold,
    *,
    tol: float = 1e-3,
) -> Float[np.ndarray, " test"]:
    """Log-odds of being right on the held-out rows of one fold, by a logistic probe of one
    representation; the penalty is chosen inside the training rows.

    Args:
        x: the representation.
        right: 1 where right.
        groups: of the rows.
        fold: training rows and held-out rows.
        tol: of the probe's solver.
    """
    train, test = fold
    probe = LogisticProbe(CS, tol=tol).fit(x[train], right[train], groups=groups[train])
    return np.asarray(probe.decision_function(x[test]), dtype=np.float64)


def best_by_brier(
    fitted: Callable[[Fold], Mapping[str, Float[np.ndarray, " test"]]],
    right: np.ndarray,
    groups: np.ndarray,
    train: Int[np.ndarray, " train"],
    *,
    folds: int,
    rng: np.random.Generator,
) -> str:
    """Which of several fitted confidences has the least Brier score, by cross-validation inside
    training rows: held-out rows have no say.

    Args:
        fitted: takes training and held-out rows, and gives each confidence on the held-out ones.
        right: 1 where right, for all rows.
        groups: of all rows; kept whole.
        train: the rows that may be looked at.
        folds: inner folds.
        rng: of the inner folds.
    """
    lost: dict[str, list[np.ndarray]] = {}
    for known, new in group_folds(np.asarray(groups)[train], folds, rng=rng):
        for name, p in fitted((train[known], train[new])).items():
            lost.setdefault(name, []).append((p - np.asarray(right)[train[new]]) ** 2)
    return min(lost, key=lambda name: float(np.concatenate(lost[name]).mean()))


def auc_by_kind(
    confidences: Mapping[str, Float[np.ndarray, " n"]],
    right: np.ndarray,
    kinds: Sequence[str] | np.ndarray,
) -> pd.DataFrame:
    """AUC of several confidences within each kind of question: over all rows, telling an easy kind
    from a hard one scores too.

    Args:
        confidences: name → probability of being right, or any score that rises with it.
        right: 1 where right.
        kinds: of each row, such as its task.

    Returns:
        ``confidence`` and a column for each kind, in order of appearance; NaN where all rows of a
        kind are right, or none.
    """
    of, y = np.asarray(kinds), np.asarray(right)
    rows = []
    for name, p in confidences.items():
        areas = {str(k): auc(p[of == k], y[of == k]) for k in pd.unique(of)}
        rows.append({"confidence": name, **areas})
    return pd.DataFrame(rows)


def ece_ratio(
    confidences: Mapping[str, Float[np.ndarray, " n"]],
    name: str,
    right: np.ndarray,
    groups: Int[np.ndarray, " n"],
    *,
    over: str,
    beside: Sequence[str] = (),
) -> Evidence:
    """The calibration error of a confidence as a multiple of another's, both on the same rows.

    ::

        ECE(p) / ECE(o),   ten bins of equal mass

    The interval is over groups and is Fieller's: an error near zero has no steady logarithm.

    Args:
        confidences: name → probability of being right.
        name: the confidence judged.
        right: 1 where right.
        groups: what is left out as a whole.
        over: the confidence whose error is the unit.
        beside: further ones, shown beside as baselines.
    """
    y = np.asarray(right, dtype=np.float64)
    errors = {
        n: left_out(lambda rows, p=confidences[n]: ece(p[rows], y[rows], 10, "mass"), groups)
        for n in (name, *beside, over)
    }
    m = Measured(f"ECE / ECE of the {over}", unit="times", direction="lower")
    m.put_each({n: errors[n] / errors[over] for n in (name, *beside)})
    others = {n: m.value(n) for n in beside}
    shown = [Beside("baseline", n, float(e.value), *e.ends) for n, e in others.items()]
    return m.value(name, beside=tuple(shown))


def reliability_frame(
    confidences: Mapping[str, Float[np.ndarray, " n"]], right: np.ndarray, bins: int = 10
) -> pd.DataFrame:
    """How often answers of a confidence are right, in bins of equal mass, ready to be drawn:
    ``series``, ``x`` (mean confidence), ``value`` (share that is right) and the bins' sizes.

    Args:
        confidences: name → probability of being right.
        right: 1 where right.
        bins: how many.
    """
    y = np.asarray(right, dtype=np.float64)
    parts = [reliability(p, y, bins, "mass").assign(series=n) for n, p in confidences.items()]
    frame = pd.concat(parts, ignore_index=True)
    return frame.rename(columns={"confidence": "x", "accuracy": "value"})


def risk_frame(
    confidences: Mapping[str, np.ndarray], right: np.ndarray, points: int = 60
) -> pd.DataFrame:
    """Risk by coverage of several confidences, thinned: ``series``, ``x``, ``value``."""
    rows = []
    for name, p in confidences.items():
        coverage, risk = risk_coverage(p, np.asarray(right, dtype=np.float64))
        for i in np.unique(
            np.linspace(max(0, len(risk) // points), len(risk) - 1, points).astype(int)
        ):
            rows.append({"series": name, "x": float(coverage[i]), "value": float(risk[i])})
    return pd.DataFrame(rows)


def _outcomes(right: Any) -> Int[np.ndarray, " n"]:
    """1 where right, 0 where wrong."""
    found = np.asarray(to_numpy(right))
    if found.dtype.kind not in "biuf" or not np.isin(found, (0, 1)).all():
        raise ValueError(
            "detect: right must hold 1 (right) or 0 (wrong) for each row, none missing"
        )
    return found.astype(np.int64)
