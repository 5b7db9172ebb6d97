"""A probe at every site, with its null, its interval and an honest choice of site.

One call asks a question of many sites × folds × shuffled labels. Sites are taken one at a time, so
they may be streamed from a store; all targets and shuffles of a site share eigenbases
(`inscape.core.ridge`, one a fold; `inscape.core.logistic`, one for all folds), and the observed
labels go through exactly what the shuffled ones do. Penalties are chosen per column inside the
training rows.

Cost per site: F (d³ + n d² + A n d T) for ridge with F folds, A penalties and T = targets × (1 +
shuffles) columns. Reference: Hewitt and Liang (2019), arXiv:1909.03368 (control tasks);
`inscape.probing.sweep_result` for the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, logit, softmax

from inscape.core import logistic, one_coordinate, ridge
from inscape.core.arrays import to_numpy
from inscape.core.errors import DataError
from inscape.core.repeated import continuous, merged_groups, same_rows
from inscape.core.threads import side_by_side
from inscape.probing.sweep_estimator import check_estimator, fit_estimator, shared_grid
from inscape.probing.sweep_plan import Plan, class_weights, discordant, make_plan
from inscape.probing.sweep_result import SweepResult, compare

__all__ = ["SweepResult", "compare", "sweep"]

#: numbers held at once by logistic fits that run together, and how many of these at most: more gain
# nothing
_BUDGET, _TOGETHER = 3e7, 32
#: of a direction's square, the share in held-out rows above which their fold gets a basis of its
# own
_MOST = 0.8
#: per-row gradient at which a logistic fit of a sweep is done: log loss within about 1e-5 nats of
# the optimum
_TOL = 3e-3


def sweep(
    matrices: Mapping[Any, Any]
    | Callable[[], Iterable[tuple[Any, Any]]]
    | Iterable[tuple[Any, Any]],
    y: Any,
    *,
    groups: Any = None,
    folds: int = 5,
    split: str = "group",
    task: str = "regression",
    estimator: Any = None,
    metric: str | None = None,
    shuffles: int = 100,
    shuffle: str | None = None,
    repeats: str = "merge",
    alphas: Sequence[float] | np.ndarray | None = None,
    inner: str | None = None,
    seed: int = 0,
    target_names: Sequence[str] | None = None,
    draws: int = 1000,
    level: float = 0.95,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> SweepResult:
    """Probe every site.

    Args:
        matrices: site → rows (n, d); or pairs of them, or a callable that gives such pairs, to
            stream one site at a time.
        y: what to read out, (n,) or (n, targets); labels (n,) for classification.
        groups: one group per row; a group is never in both training and held-out rows.
        folds: outer folds.
        split: ``"group"`` holds out whole groups; ``"random"`` holds out rows, which answers
            another question.
        task: ``"regression"`` (ridge probe) or ``"classification"`` (logistic probe).
        estimator: any scikit-learn classifier or regressor in place of that probe, fitted anew for
            each fold and shuffle (`inscape.probing.sweep_estimator` says what it costs);
            `RidgeProbe` and `LogisticProbe` share one solver.
        metric: ``"r2"`` for regression; ``"accuracy"`` (default), ``"balanced accuracy"`` (every
            class counts alike, and probes predict as if classes were equally frequent) or, for two
            classes, ``"auc"``.
        shuffles: label shuffles of the null; 0 for none.
        shuffle: ``"groups"`` permutes whole groups' labels, ``"rows"`` single labels. Default:
            groups where they are given. Where labels and representations are both clustered by
            group, shuffling rows makes chance look rarer than it is.
        repeats: ``"merge"`` makes groups that share a row (equal at every site, with equal labels)
            one, and says so; where too few would be left, or rows have no groups, it warns.
            ``"keep"`` leaves them, where rows of different inputs may be equal: bags of letters, an
            untrained network.
        alphas: penalties for unit-variance features: α of ridge, or C of the logistic probe.
        inner: ridge's inner held-out errors: ``"group"`` (folds of whole groups) or ``"loo"``.
            Default: as `split`.
        seed: of folds, shuffles and bootstrap.
        target_names: a name for each target.
        draws: bootstrap draws.
        level: of the intervals.
        progress: called after each site with (done, total or None, site).

    Returns:
        The result; see `SweepResult`.

    Raises:
        DataError: NaN or one-valued labels, missing or too few groups, representations that are not
            (n, d) and finite.
        ValueError: an unknown option.
    """
    if draws < 1:
        raise ValueError(f"sweep: draws must be at least 1, got {draws}")
    if estimator is not None:
        check_estimator(estimator, task, alphas)
        alphas = shared_grid(estimator)
    own = None if alphas is not None else estimator

    def planned(codes: Sequence[Any] | np.ndarray | None) -> Plan:
        return make_plan(
            y,
            codes,
            task=task,
            metric=metric,
            folds=folds,
            split=split,
            inner=inner,
            shuffles=shuffles,
            shuffle=shuffle,
            alphas=alphas,
            seed=seed,
            target_names=target_names,
        )

    if repeats not in ("merge", "keep"):
        raise ValueError(f"sweep: repeats must be 'merge' or 'keep', got {repeats!r}")
    plan = planned(groups)
    look = repeats == "merge" and (groups is not None or split == "random")
    found, rows = _every_site(matrices, plan, own, progress, look)
    merged = merged_groups(plan.groups, rows)
    number, left = int(plan.groups.max()) + 1, int(merged.max()) + 1
    if left < number and (groups is None or left < folds):
        plan = replace(plan, notes=(*plan.notes, *_known(plan, rows)))
    elif left < number:
        again = callable(matrices) or isinstance(matrices, Mapping)
        if not again:
            raise DataError(
                "sweep: some rows are the same at every site in more than one group, so those "
                "groups belong together; give "
                "the sites as a mapping or a callable, so that they can be read again, or merge "
                "the groups."
            )
        plan = planned(merged)
        note = (
            "Rows that are the same at every site stand in more than one group: "
            f"{number - left + 1} groups or more were "
            f"merged, {left} are left."
        )
        plan = replace(plan, notes=(*plan.notes, note))
        found, _ = _every_site(matrices, plan, own, progress, look=False)
    loss, score, penalties, row_loss, predictions, steep = (
        np.stack(part) for part in zip(*(f[2] for f in found), strict=True)
    )
    resting = tuple(tuple(f[3]) for f in found)
    if count := int((steep > _TOL).sum()):
        note = (
            f"{count} of {steep.size} logistic probes stopped before they converged (gradient a "
            f"row {steep.max():.1g}, {_TOL:g} asked): scale the representation, or give smaller Cs "
            "as alphas."
        )
        plan = replace(plan, notes=(*plan.notes, note))
    return SweepResult(
        metric=plan.metric,
        sites=tuple(f[0] for f in found),
        widths=tuple(f[1] for f in found),
        targets=plan.targets,
        classes=plan.classes,
        y=plan.y,
        groups=plan.groups,
        folds=plan.fold_of_row,
        split=split,
        shuffle=plan.shuffle,
        loss=loss,
        base=plan.base,
        inner=score,
        penalties=penalties,
        row_loss=row_loss,
        row_base=plan.row_base,
        predictions=predictions,
        seed=seed,
        draws=draws,
        level=level,
        notes=plan.notes,
        resting=resting,
    )


def _known(plan: Plan, rows: np.ndarray) -> list[str]:
    """A warning where held-out rows stand among the training rows too; `rows` numbers them, equal
    ones alike.
    """
    count = sum(int(np.isin(rows[test], rows[train]).sum()) for train, test in plan.folds)
    if not count:
        return []
    return [
        f"{count} of {len(rows)} held-out rows are also training rows (equal at every site, with "
        "equal labels), so leakage inflates the score: keep one row of each input, or give the "
        "input as the group."
    ]


def _every_site(
    matrices: Any,
    plan: Plan,
    estimator: Any,
    progress: Callable[[int, int | None, str], None] | None,
    look: bool,
) -> tuple[list[tuple[str, int, tuple[np.ndarray, ...], list[str | None]]], np.ndarray]:
    """What was found at each site, and a number for each row, the same where labels and the rows of
    every site are.

    Where nobody looks for such rows, every row has a number of its own.
    """
    found: list[tuple[str, int, tuple[np.ndarray, ...], list[str | None]]] = []
    # an input that stands in two groups with two answers tells neither: two towns of one name
    same, rich = np.unique(plan.y, axis=0, return_inverse=True)[1].reshape(-1), False
    total = len(matrices) if hasattr(matrices, "__len__") else None
    for site, x in _pairs(matrices):
        matrix = _matrix(site, x, len(plan.y))
        rows = ridge.Rows(matrix)
        if look:
            same = same_rows(same, rows.x)
            rich = rich or continuous(rows.x, int(same.max()) + 1)
        if estimator is not None:
            fitted = fit_estimator(estimator, matrix, plan, choose=total != 1)
        else:
            fitted = _logistic(rows, plan) if plan.classes else _ridge(rows, plan)
        # of several classes, what is predicted is a code and no quantity
        told: list[str | None] = (
            [None] * fitted[4].shape[1]
            if len(plan.classes) > 2
            else one_coordinate.probe_warnings(rows.x, fitted[4], site)
        )
        found.append((site, rows.x.shape[1], fitted, told))
        if progress is not None:
            progress(len(found), total, site)
    if not found:
        raise DataError("sweep: no sites were given.")
    return found, same if rich else np.arange(len(plan.y))


def _ridge(rows: ridge.Rows, plan: Plan) -> tuple[np.ndarray, ...]:
    n, k, t = plan.labels.shape
    columns = plan.labels.reshape(n, -1)
    loss, inner = (np.empty((len(plan.folds), k, t)) for _ in range(2))
    penalties, row_loss, predictions = (
        np.empty((len(plan.folds), t)),
        np.empty((n, t)),
        np.empty((n, t)),
    )

    def one(f: int) -> None:
        train, test = plan.folds[f]
        basis = rows.basis(train)
        grid = ridge.ALPHAS if plan.grid is None else plan.grid
        fitted = ridge.fit(basis, columns[train], grid, inner=plan.inner[f])
        predicted = fitted.predict(rows.project(basis, test))
        errors = (columns[test] - predicted) ** 2
        loss[f], inner[f] = errors.sum(axis=0).reshape(k, t), fitted.inner.reshape(k, t)
        penalties[f], row_loss[test], predictions[test] = (
            fitted.alpha[:t],
            errors[:, :t],
            predicted[:, :t],
        )

    side_by_side(one, range(len(plan.folds)))
    return loss, inner, penalties, row_loss, predictions, np.zeros(len(plan.folds))


def _logistic(rows: ridge.Rows, plan: Plan) -> tuple[np.ndarray, ...]:
    n, k, _ = plan.labels.shape
    loss, inner = (np.empty((len(plan.folds), k, 1)) for _ in range(2))
    penalties, row_loss, predictions = (
        np.empty((len(plan.folds), 1)),
        np.empty((n, 1)),
        np.empty((n, 1)),
    )
    parts, grid, steep = _parts(plan), _grid(rows, plan), np.zeros(len(plan.folds))
    kinds, codes = len(plan.classes), plan.labels[:, :, 0].astype(np.int64)
    balanced = plan.metric == "balanced accuracy"
    weights = class_weights(codes) if balanced else np.ones(codes.shape)

    def some(job: tuple[_Space, np.ndarray]) -> None:
        basis, columns = job
        sets, folds = np.divmod(columns, len(plan.folds))
        y, penalty, part, at = (
            logistic.one_hot(codes[:, sets], kinds),
            grid[:, folds],
            parts[:, folds],
            range(len(sets)),
        )
        losses, starts = logistic.choose(basis.z, basis.w, y, penalty, part, tol=_TOL)
        index = losses.argmin(axis=0)
        start = np.moveaxis(starts[index, :, at], 0, 1)
        trains = part >= 0
        fitted = logistic.fit(
            basis.z,
            basis.w,
            y,
            penalty[index, at],
            mask=trains,
            start=start,
            tol=basis.tol,
        )
        inner[folds, sets, 0] = -losses[index, at] / trains.sum(axis=0)
        eta = fitted.logits(basis.z)
        for i, (k, f) in enumerate(zip(sets, folds, strict=True)):
            test = plan.folds[f][1]
            truth, logits = codes[test, k], eta[test, i]
            if balanced:
                # rounded, so that a probe which tells nothing names one class and not the sign of
                # an error
                logits = np.round(logits - _base_rate(eta[plan.folds[f][0], i]), 9)
            value = logits[:, 0] if kinds == 2 else logits.argmax(axis=1).astype(np.float64)
            wrong = weights[test, k] * (((value > 0) if kinds == 2 else value) != truth)
            loss[f, k, 0] = (
                discordant(value[:, None], truth[:, None])[0][0]
                if plan.metric == "auc"
                else wrong.sum()
            )
            if k == 0:
                steep[f] = fitted.gradient[i]
                penalties[f, 0], row_loss[test, 0], predictions[test, 0] = (
                    penalty[index[i], i],
                    wrong,
                    value,
                )

    numbers = n * (1 if kinds == 2 else kinds) * (int(parts.max()) + 1)
    each = max(1, min(_TOGETHER, int(_BUDGET / numbers)))
    jobs = []
    for space, folds in _spaces(rows, plan):
        columns = (np.arange(k)[:, None] * len(plan.folds) + np.array(folds)).ravel()
        jobs += [(space, some) for some in np.array_split(columns, -(-len(columns) // each))]
    side_by_side(some, jobs)
    return loss, inner, penalties, row_loss, predictions, steep


def _base_rate(logits: np.ndarray) -> np.ndarray:
    """What a probe's logits hold of the class frequencies: those of its mean probabilities over the
    training rows.

    Args:
        logits: of the training rows, (n, 1) for two classes, else (n, classes).
    """
    if logits.shape[1] == 1:
        return logit(np.clip(expit(logits).mean(axis=0), 1e-9, 1 - 1e-9))
    return np.log(np.maximum(softmax(logits, axis=1).mean(axis=0), 1e-9))


@dataclass(frozen=True)
class _Space:
    """All rows in one eigenbasis, the squared norms of its columns, and the gradient at which a fit
    in it is done.
    """

    z: np.ndarray
    w: np.ndarray
    tol: float


def _spaces(rows: ridge.Rows, plan: Plan) -> Iterator[tuple[_Space, list[int]]]:
    """The basis of all rows with the folds it serves, and a basis of its own for each other fold.

    Where the penalised loss is least does not depend on the basis, how fast it is found does: a
    held-out row that makes up nearly all of a direction would hide what the training rows hold
    along it. With such rows the penalty, which is scaled by the mean square, leaves small logits,
    so that fits go on for longer.
    """
    shared = rows.basis()
    square = shared.z**2 / shared.w
    alone = [
        f for f, (_, test) in enumerate(plan.folds) if (square[test].sum(axis=0) > _MOST).any()
    ]
    tol = _TOL / 10 if alone else _TOL
    if len(alone) < len(plan.folds):
        yield _Space(shared.z, shared.w, tol), [f for f in range(len(plan.folds)) if f not in alone]
    for f in alone:
        train, test = plan.folds[f]
        basis = rows.basis(train)
        z = np.empty((len(plan.y), len(basis.w)))
        z[train], z[test] = basis.z, rows.project(basis, test)
        yield _Space(z, basis.w * len(z) / len(train), tol), [f]


def _parts(plan: Plan) -> np.ndarray:
    """The inner fold of each row without each outer fold, −1 for its held-out rows, (n, f)."""
    parts = np.full((len(plan.y), len(plan.folds)), -1)
    for f, (train, _) in enumerate(plan.folds):
        parts[train, f] = logistic.fold_numbers(len(train), plan.inner[f] or [])
    return parts


def _grid(rows: ridge.Rows, plan: Plan) -> np.ndarray:
    """Penalties in units of the training rows' mean squared deviation of a feature, (c, f)."""
    square = np.array([rows.x[train].var(axis=0).mean() for train, _ in plan.folds])
    return (
        np.where(square > 0, square, 1.0)
        / np.asarray(logistic.CS if plan.grid is None else plan.grid)[:, None]
    )


def _pairs(matrices: Any) -> Iterator[tuple[str, Any]]:
    source = matrices() if callable(matrices) else matrices
    for site, x in source.items() if isinstance(source, Mapping) else source:
        yield str(site), x


def _matrix(site: str, x: Any, n: int) -> np.ndarray:
    x = np.asarray(to_numpy(x))
    if x.ndim != 2 or len(x) != n or x.shape[1] == 0:
        raise DataError(
            f"site {site}: expected one row for each of the {n} labels, shape ({n}, d), got "
            f"{x.shape}."
        )
    if x.dtype.kind not in "fiub":
        try:
            x = x.astype(np.float64, casting="unsafe" if x.dtype.kind == "O" else "safe")
        except (TypeError, ValueError):
            raise DataError(
                f"site {site}: the representation must hold real numbers, got {x.dtype}."
            ) from None
    if not np.isfinite(x).all():
        raise DataError(
            f"site {site}: the representation holds NaN or infinite values; harvest it in float32 "
            "or drop the rows."
        )
    return x if x.dtype.kind == "f" else x.astype(np.float64)
