"""What a sweep asks of every site: label sets, outer and inner folds, penalties, and what scores
are compared with.

Everything here is made once, before the first site is looked at, and refuses data that cannot
answer: labels that are missing or all alike, too few groups, a fold that trains on one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from inscape.core import intervals, ridge
from inscape.core.arrays import check_order, to_numpy
from inscape.core.errors import DataError
from inscape.core.folds import Fold, group_codes, group_folds, random_folds, stratified_folds
from inscape.core.jackknife import effective_groups
from inscape.core.nulls import permutations
from inscape.core.rng import generator


@dataclass(frozen=True)
class Plan:
    """What every site is asked.

    Attributes:
        metric: ``"r2"``, ``"accuracy"``, ``"balanced accuracy"`` or ``"auc"``.
        targets: names of the targets.
        classes: labels of a classification, in the order of their codes; empty for regression.
        y: targets or class codes, (n, t).
        labels: the observed label set, then its shuffles, (n, k, t).
        groups: group of each row; each row its own where none were given.
        folds: outer folds.
        fold_of_row: the fold each row is held out in, (n,).
        inner: per outer fold the inner held-out rows, as positions among its training rows; None
            for leave-one-out.
        grid: penalties, or None for the probe's own.
        shuffle: what was permuted, rows or groups.
        base, row_base: the denominators of the scores, per fold and label set (f, k, t) and per row
            (n, t).
        notes: what a reader must know.
    """

    metric: str
    targets: tuple[str, ...]
    classes: tuple[str, ...]
    y: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    folds: list[Fold]
    fold_of_row: np.ndarray
    inner: list[list[np.ndarray] | None]
    grid: np.ndarray | None
    shuffle: str
    base: np.ndarray
    row_base: np.ndarray
    notes: tuple[str, ...]


def make_plan(
    y: Any,
    groups: Any,
    *,
    task: str,
    metric: str | None,
    folds: int,
    split: str,
    inner: str | None,
    shuffles: int,
    shuffle: str | None,
    alphas: Sequence[float] | np.ndarray | None,
    seed: int,
    target_names: Sequence[str] | None,
) -> Plan:
    """Check the question and make everything that does not depend on a site; arguments as in
    `sweep`.
    """
    metric = metric or ("r2" if task == "regression" else "accuracy")
    _check_options(task, metric, split, shuffle, inner, shuffles)
    labels, classes = _labels(y, task, metric, target_names)
    n, targets = labels.shape
    check_order("sweep", y, groups)
    if groups is None and "group" in (split, inner, (shuffle or "")[:5]):
        raise DataError(
            "sweep: no groups given, so no group can be held out; pass groups=, or split='random'."
        )
    codes = np.arange(n) if groups is None else group_codes(to_numpy(groups), n)
    shuffle = shuffle or ("rows" if groups is None else "groups")
    rng = generator(seed, "sweep", "folds")
    outer = (
        group_folds(codes, folds, rng=rng) if split == "group" else random_folds(n, folds, rng=rng)
    )
    fold_of_row = np.empty(n, dtype=np.int64)
    for f, (_, test) in enumerate(outer):
        fold_of_row[test] = f
    blocks = codes if shuffle == "groups" else None
    order = _shuffled(
        labels, outer, shuffles, generator(seed, "sweep", "shuffles"), blocks, classes
    )
    sets = np.concatenate([labels[None], labels[order]]).transpose(1, 0, 2)
    base, row_base = _base(metric, sets, len(classes), outer)
    how = inner or ("group" if split == "group" else "loo")
    return Plan(
        metric=metric,
        targets=_names(target_names, targets),
        classes=tuple(map(str, classes)),
        y=labels.astype(np.float64),
        labels=sets,
        groups=codes,
        folds=outer,
        fold_of_row=fold_of_row,
        inner=_inner_folds(outer, codes, labels, how, folds, task, seed),
        grid=None if alphas is None else ridge.check_alphas(alphas),
        shuffle=shuffle,
        base=base,
        row_base=row_base,
        notes=_notes(codes, groups is not None, split, shuffle, labels, shuffles),
    )


def _shuffled(
    labels: np.ndarray,
    folds: list[Fold],
    shuffles: int,
    rng: np.random.Generator,
    groups: np.ndarray | None,
    classes: np.ndarray,
) -> np.ndarray:
    """Permutations of the rows; those that leave a fold one class to train on, which the labels do
    not, are drawn again.
    """
    hot = np.eye(len(classes))[labels[:, 0].astype(np.int64)] if len(classes) else labels
    order = permutations(len(labels), shuffles, rng=rng, groups=groups, labels=hot)
    if not len(classes) or groups is None:
        return order
    for _ in range(20):
        y = labels[:, 0][order]
        trains = [np.ptp(y[:, train], axis=1) > 0 for train, _ in folds]
        bad = np.flatnonzero(~np.all(trains, axis=0)) if shuffles else np.empty(0, dtype=int)
        if not len(bad):
            break
        order[bad] = permutations(len(labels), len(bad), rng=rng, groups=groups, labels=hot)
    return order


def _names(given: Sequence[str] | None, targets: int) -> tuple[str, ...]:
    names = (
        tuple(given)
        if given is not None
        else tuple(f"y{i}" if targets > 1 else "y" for i in range(targets))
    )
    if len(names) != targets:
        raise ValueError(f"sweep: target_names has {len(names)} names for {targets} targets")
    return names


def discordant(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per column, how many (positive, negative) pairs are in the wrong order (ties count half), and
    how many there are.
    """
    up = truth == 1
    ups, downs = up.sum(axis=0), (~up).sum(axis=0)
    won = (rankdata(scores, axis=0) * up).sum(axis=0) - ups * (ups + 1) / 2
    return ups * downs - won, (ups * downs).astype(np.float64)


def class_weights(codes: np.ndarray) -> np.ndarray:
    """Weights of rows that let every class count alike and sum to the number of rows, (n, k) for k
    sets of labels.

    Example:
        >>> class_weights(np.array([[0], [0], [0], [1]])).ravel().round(2).tolist()
        [0.67, 0.67, 0.67, 2.0]
    """
    # shuffled labels are the same labels in another order, so the first set's counts are everyone's
    kinds, index = np.unique(codes, return_inverse=True)
    counts = np.bincount(index.reshape(codes.shape)[:, 0], minlength=len(kinds))
    return (len(codes) / (len(kinds) * np.maximum(counts, 1)))[index.reshape(codes.shape)]


def _base(
    metric: str, labels: np.ndarray, classes: int, folds: list[Fold]
) -> tuple[np.ndarray, np.ndarray]:
    n, k, t = labels.shape
    base, rows = np.empty((len(folds), k, t)), np.ones((n, t))
    for f, (train, test) in enumerate(folds):
        if metric == "r2":
            square = (labels[test] - labels[train].mean(axis=0)) ** 2
            base[f], rows[test] = square.sum(axis=0), square[:, 0]
        elif metric == "accuracy":
            base[f] = len(test)
        elif metric == "balanced accuracy":
            weights = class_weights(labels[:, :, 0])
            base[f], rows[test] = weights[test].sum(axis=0)[:, None], weights[test, :1]
        else:
            truth = labels[test, :, 0]
            base[f, :, 0] = discordant(np.zeros(truth.shape), truth)[1]
        if classes and len(np.unique(labels[train, 0])) < 2:
            raise DataError(
                f"fold {f} would train on one class only, because classes follow groups; use fewer "
                "folds or another group."
            )
    if not (base[:, 0].sum(axis=0) > 0).all():
        raise DataError(
            "no fold holds out both classes, so AUC compares nothing; use metric='accuracy' or "
            "fewer folds."
        )
    return base, rows


def _inner_folds(
    outer: list[Fold], codes: np.ndarray, labels: np.ndarray, how: str, k: int, task: str, seed: int
) -> list[list[np.ndarray] | None]:
    out: list[list[np.ndarray] | None] = []
    for f, (train, _) in enumerate(outer):
        rng = generator(seed, "sweep", "inner", str(f))
        if how == "group":
            inside = group_codes(codes[train])
            out.append(
                [
                    test
                    for _, test in group_folds(
                        inside, max(2, min(k, int(inside.max()) + 1)), rng=rng
                    )
                ]
            )
        elif task == "classification":
            classes = labels[train, 0].astype(np.int64)
            out.append([test for _, test in stratified_folds(classes, min(k, len(train)), rng=rng)])
        else:
            out.append(None)
    return out


def _labels(
    y: Any, task: str, metric: str, names: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(to_numpy(y))
    if not values.size:
        raise DataError("y holds no labels; give one for each row.")
    if values.ndim not in (1, 2) or (
        task == "classification" and values.ndim == 2 and values.shape[1] != 1
    ):
        raise DataError(
            f"y must be (n,){' or (n, targets)' if task == 'regression' else ''}, got shape "
            f"{values.shape}."
        )
    values = values.reshape(len(values), -1)
    if task == "classification":
        codes = _class_codes(values[:, 0])
        classes = codes[1]
        if len(classes) < 2:
            raise DataError(
                f"y holds one class only ({classes[0]!r}); a probe needs at least two classes."
            )
        if metric == "auc" and len(classes) != 2:
            raise DataError(
                f"AUC is for two classes and y holds {len(classes)}; use metric='accuracy'."
            )
        return codes[0][:, None], classes
    try:
        values = values.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(
            "y must hold numbers for a regression; for labels pass task='classification'."
        ) from None
    if bad := int((~np.isfinite(values)).any(axis=1).sum()):
        raise DataError(
            f"y: {bad} of {len(values)} labels are NaN or infinite; drop those rows first."
        )
    if (flat := np.ptp(values, axis=0) == 0).any():
        first = int(flat.argmax())
        which = repr(names[first]) if names is not None and len(names) == len(flat) else first
        raise DataError(
            f"y: target {which} has the same value in every row, so there is nothing to predict; "
            "choose another label."
        )
    return values, np.array([])


def _class_codes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class codes in sorted order, and the classes; missing labels are refused."""
    missing = pd.isna(labels)
    if missing.any():
        raise DataError(
            f"y: {int(missing.sum())} of {len(labels)} labels are missing (NaN); drop those rows "
            "first."
        )
    classes, codes = np.unique(
        labels.astype(str) if labels.dtype == object else labels, return_inverse=True
    )
    return codes.reshape(-1).astype(np.int64), classes


def _check_options(
    task: str, metric: str, split: str, shuffle: str | None, inner: str | None, shuffles: int
) -> None:
    metrics = {"regression": ("r2",), "classification": ("accuracy", "balanced accuracy", "auc")}
    if task not in metrics:
        raise ValueError(f"sweep: task must be 'regression' or 'classification', got {task!r}")
    options = {
        "metric": (metric, metrics[task]),
        "split": (split, ("group", "random")),
        "shuffle": (shuffle or "rows", ("rows", "groups")),
        "inner": (inner or "loo", ("group", "loo")),
    }
    for name, (value, choices) in options.items():
        if value not in choices:
            raise ValueError(
                f"sweep: {name} must be {' or '.join(map(repr, choices))} for {task}, got {value!r}"
            )
    if shuffles < 0 or shuffles == 1:
        raise ValueError(
            f"sweep: shuffles must be 0 or at least 2, got {shuffles}; one shuffle is no null"
        )


def _notes(
    codes: np.ndarray, grouped: bool, split: str, shuffle: str, labels: np.ndarray, shuffles: int
) -> tuple[str, ...]:
    count = int(codes.max()) + 1
    out = []
    sizes = np.bincount(codes)
    effective = effective_groups(sizes.astype(np.float64))
    if shuffles > 0 and effective < intervals.FEW_GROUPS:
        out.append(f"The null rests on only {intervals.rests_on(effective, count)}.")
    if grouped and split == "random" and count < len(codes):
        out.append(
            "Random folds: rows of one group are in training and held-out parts, so group leakage "
            "inflates the score."
        )
    if grouped and shuffle == "rows" and count < len(codes) and shuffles:
        out.append(
            "Labels were shuffled by row although rows come in groups, so the null is too narrow "
            "and there is no p-value."
        )
    if 0 < shuffles < 19:
        out.append(f"Only {shuffles} shuffles: p cannot be below {1 / (shuffles + 1):.2g}.")
    return tuple(out)
