"""Any scikit-learn estimator as the probe of a sweep: cloned and fitted anew for every fold and
every shuffle of the labels.

The probes of `inscape.read` whose solver all folds and shuffles share are recognised
(`shared_grid`) and cost a fraction; everything else goes the long way:

    fits per site = folds · (1 + shuffles) · (1 + inner folds)

where the inner fits, which choose the site, are left out for a single site. An estimator whose
`fit` takes ``groups`` is given those of its training rows. Classes are predicted as the estimator
predicts them: for balanced accuracy of unequal classes give it ``class_weight="balanced"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import logit
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from inscape.core.folds import random_folds
from inscape.core.rng import generator
from inscape.core.threads import side_by_side
from inscape.probing.sweep_plan import Plan, class_weights, discordant
from inscape.read.logistic import LogisticProbe
from inscape.read.ridge import RidgeProbe

#: inner folds where the plan leaves one row out, which would be a fit for every row
INNER = 5


def check_estimator(estimator: Any, task: str, alphas: Any) -> None:
    """Refuse what cannot be the probe of a task.

    Raises:
        ValueError: not an estimator of that task, or penalties given beside it.
    """
    made = hasattr(estimator, "fit") and not isinstance(estimator, type)
    if not made or not (is_classifier(estimator) or is_regressor(estimator)):
        raise ValueError(
            "sweep: estimator must be a scikit-learn classifier or regressor, such as "
            f"RidgeProbe(), got {estimator!r}"
        )
    kind = "classification" if is_classifier(estimator) else "regression"
    if kind != task:
        raise ValueError(
            f"sweep: {type(estimator).__name__} is for {kind}; pass task={kind!r}, or another "
            "estimator"
        )
    if alphas is not None:
        raise ValueError(
            f"sweep: alphas are for the sweep's own probe; set those of {type(estimator).__name__} "
            "in its constructor"
        )


def shared_grid(estimator: Any) -> Sequence[float] | None:
    """The penalties of a probe that the sweep's shared solver fits just as well; None for any other
    estimator.

    Example:
        >>> shared_grid(RidgeProbe((1.0, 10.0)))
        (1.0, 10.0)
    """
    if type(estimator) is RidgeProbe and estimator.scale and estimator.per_target:
        return estimator.alphas
    if type(estimator) is LogisticProbe and estimator.scale:
        return estimator.Cs
    return None


def fit_estimator(
    estimator: Any, x: Float[np.ndarray, "n d"], plan: Plan, *, choose: bool
) -> tuple[np.ndarray, ...]:
    """Fit and score an estimator at one site.

    Args:
        estimator: an unfitted one; it is cloned for each fit.
        x: the site's rows.
        plan: what is asked.
        choose: whether inner scores are needed, to choose between sites.

    Returns:
        Loss and inner score (folds, sets, targets), penalties (NaN), and of the observed labels the
        loss and the prediction of each row; last, zeros in place of the shared solver's gradients.
    """
    n, sets, targets = plan.labels.shape
    loss, inner = (np.zeros((len(plan.folds), sets, targets)) for _ in range(2))
    row_loss, predictions = np.empty((n, targets)), np.empty((n, targets))
    weights = np.ones((n, sets))
    if plan.metric == "balanced accuracy":
        weights = class_weights(plan.labels[:, :, 0].astype(np.int64))

    def one(job: tuple[int, int]) -> None:
        f, k = job
        train, test = plan.folds[f]
        y, weight = plan.labels[:, k], weights[:, k]
        given = plan.groups[train] if plan.shuffle == "groups" else None
        value = _predict(estimator, x[train], y[train], x[test], given)
        rows = _losses(plan, value, y[test], weight[test])
        loss[f, k] = _total(plan, value, y[test], rows)
        if k == 0:
            row_loss[test], predictions[test] = rows, value
        if choose:
            inner[f, k] = _inner(estimator, x, plan, f, y, weight)

    side_by_side(one, [(f, k) for f in range(len(plan.folds)) for k in range(sets)])
    penalties = np.full((len(plan.folds), targets), np.nan)
    return loss, inner, penalties, row_loss, predictions, np.zeros(len(plan.folds))


def _inner(
    estimator: Any, x: np.ndarray, plan: Plan, f: int, y: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """The score on inner held-out rows of a fold: R² for regression, else minus the share of the
    loss.
    """
    train = plan.folds[f][0]
    held = plan.inner[f]
    if held is None:
        rng = generator(0, "sweep", "estimator", str(f))
        held = [test for _, test in random_folds(len(train), min(INNER, len(train)), rng=rng)]
    lost, whole = np.zeros(y.shape[1]), np.zeros(y.shape[1])
    for test in held:
        kept = np.delete(train, test)
        if plan.classes and len(np.unique(y[kept, 0])) < 2:
            continue
        out = train[test]
        groups = plan.groups[kept] if plan.shuffle == "groups" else None
        value = _predict(estimator, x[kept], y[kept], x[out], groups)
        rows = _losses(plan, value, y[out], weight[out])
        lost += _total(plan, value, y[out], rows)
        if plan.metric == "r2":
            whole += ((y[out] - y[kept].mean(axis=0)) ** 2).sum(axis=0)
        elif plan.metric == "auc":
            whole += discordant(np.zeros((len(out), 1)), y[out])[1]
        else:
            whole += weight[out].sum()
    share = np.divide(lost, whole, out=np.ones_like(lost), where=whole > 0)
    return 1 - share


def _predict(
    estimator: Any, x: np.ndarray, y: np.ndarray, new: np.ndarray, groups: np.ndarray | None
) -> Float[np.ndarray, "m t"]:
    """What an estimator says of new rows: quantities, log-odds of two classes, or codes of more."""
    if y.shape[1] > 1 and not get_tags(estimator).target_tags.multi_output:
        columns = [_predict(estimator, x, y[:, i : i + 1], new, groups) for i in range(y.shape[1])]
        return np.concatenate(columns, axis=1)
    fitted = clone(estimator)
    more = {}
    if groups is not None and has_fit_parameter(fitted, "groups"):
        more = {"groups": groups}
    fitted.fit(x, y[:, 0] if y.shape[1] == 1 else y, **more)
    return _said(fitted, new).reshape(len(new), -1)


def _said(fitted: Any, new: np.ndarray) -> np.ndarray:
    if not is_classifier(fitted) or len(fitted.classes_) != 2:
        return np.asarray(fitted.predict(new), dtype=np.float64)
    if hasattr(fitted, "decision_function"):
        return np.asarray(fitted.decision_function(new), dtype=np.float64)
    if hasattr(fitted, "predict_proba"):
        return logit(np.clip(fitted.predict_proba(new)[:, 1], 1e-9, 1 - 1e-9))
    return np.where(fitted.predict(new) == fitted.classes_[1], 1.0, -1.0)


def _losses(plan: Plan, value: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The loss of each row: squared error, or the weight of a row that is named wrong."""
    if not plan.classes:
        return (y - value) ** 2
    named = (value > 0).astype(np.float64) if len(plan.classes) == 2 else value
    return weight[:, None] * (named != y)


def _total(plan: Plan, value: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    if plan.metric == "auc":
        return discordant(value, y)[0]
    return rows.sum(axis=0)
