"""Logistic probes of many yes-or-no labels at once: one eigenbasis and one run of products serve
all of them.

    for every label t    minimise Σ_i ℓ(y_it, b_t + β_t·x_i) + ‖β_t‖² / (2C_t)

Each label is the probe that `LogisticProbe` fits to it alone, with a C of its own chosen inside;
together they cost little more than one, because rows, basis and inner folds are shared. Cost: d³ +
n d² once, n d for each label and iteration.

Reference: Alain and Bengio (2016), arXiv:1610.01644; `inscape.core.logistic` for the solver.
"""

from __future__ import annotations

import warnings
from typing import Any, no_type_check

import numpy as np
from scipy.special import expit
from sklearn.base import ClassifierMixin, MultiOutputMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core import logistic, ridge
from inscape.core.arrays import like, to_numpy
from inscape.core.folds import group_codes, group_folds, random_folds
from inscape.read.direction import LinearDirections


class MultilabelProbe(MultiOutputMixin, ClassifierMixin, LinearDirections):
    """Independent linear classifiers over shared rows.

    Args:
        Cs: grid of inverse penalties, positive; one value skips the inner choice.
        scale: divide C by the mean squared deviation of a feature; False for scikit-learn's meaning
            of C.
        folds: inner folds.
        tol: a fit is done when the preconditioned gradient per row is below it.
        max_iter: iterations at most; a `ConvergenceWarning` says when they did not suffice.
        random_state: seed of the inner folds.

    Attributes:
        classes_: the two labels of a single target; ``[0, 1]`` for several.
        coef_: (labels, d).
        intercept_: (labels,).
        C_: chosen inverse penalty of each label, as it enters the formula, (labels,).
        n_features_in_, n_iter_: d, and iterations of the last fit.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 4))
        >>> probe = MultilabelProbe((1.0,)).fit(x, (x[:, :2] > 0).astype(int))
        >>> bool((probe.predict(x) == (x[:, :2] > 0)).mean() > 0.95), probe.coef_.shape
        (True, (2, 4))
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(
        self,
        Cs: tuple[float, ...] = logistic.CS,
        *,
        scale: bool = True,
        folds: int = 5,
        tol: float = 1e-6,
        max_iter: int = 5000,
        random_state: Any = 0,
    ) -> None:
        self.Cs = Cs
        self.scale = scale
        self.folds = folds
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None) -> MultilabelProbe:
        """Fit.

        Args:
            X: representations, (n, d).
            y: one column of 0 and 1 a label, (n, labels); or one label of two classes, (n,).
            groups: one group per row: C is then chosen with whole groups held out.

        Raises:
            ValueError: NaN, wrong shapes, a label that is the same in every row, a C that is not
                positive.
            DataError: groups that cannot be held out.
        """
        X, y = validate_data(
            self,
            to_numpy(X),
            to_numpy(y),
            multi_output=True,
            dtype=[np.float64, np.float32],
            ensure_min_samples=2,
        )
        codes = self._codes(y)
        grid = np.atleast_1d(np.asarray(self.Cs, dtype=np.float64))
        if grid.size == 0 or not np.isfinite(grid).all() or (grid <= 0).any():
            raise ValueError(f"MultilabelProbe: Cs must be positive numbers, got {self.Cs!r}")
        basis = ridge.Rows(X).basis()
        penalties = (basis.rms**2 if self.scale and basis.rms > 0 else 1.0) / grid
        labels, count = logistic.one_hot(codes, 2), codes.shape[1]
        best, start = np.zeros(count, dtype=np.int64), None
        if len(grid) > 1:
            losses, starts = logistic.choose(
                basis.z, basis.w, labels, penalties, self._inner(len(X), groups)
            )
            best = losses.argmin(axis=0)
            start = np.moveaxis(starts[best, :, np.arange(count)], 0, 1)
        found = logistic.fit(
            basis.z,
            basis.w,
            labels,
            penalties[best],
            start=start,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        if (found.gradient > self.tol).any():
            warnings.warn(
                f"MultilabelProbe stopped after {found.iterations} iterations with "
                f"{int((found.gradient > self.tol).sum())} "
                "labels unfinished; raise max_iter, or use smaller Cs",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.coef_ = (basis.v @ found.beta[1:, :, 0]).T
        self.intercept_ = found.beta[0, :, 0] - self.coef_ @ basis.mean
        self.C_, self.n_iter_ = 1.0 / penalties[best], found.iterations
        return self

    def _codes(self, y: np.ndarray) -> np.ndarray:
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind not in ("binary", "multilabel-indicator"):
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {kind}."
            )
        self._flat = y.ndim == 1
        if self._flat:
            self.classes_, codes = np.unique(y, return_inverse=True)
            codes = codes.reshape(-1, 1)
        else:
            self.classes_, codes = np.array([0, 1]), np.asarray(y)
        codes = codes.astype(np.int64)
        if (same := np.ptp(codes, axis=0) == 0).any():
            raise ValueError(
                f"MultilabelProbe: label {int(same.argmax())} holds one class in every row; leave "
                "it out"
            )
        return codes

    def _inner(self, n: int, groups: Any) -> np.ndarray:
        rng = np.random.default_rng(self.random_state)
        if groups is None:
            folds = random_folds(n, min(self.folds, n), rng=rng)
        else:
            codes = group_codes(to_numpy(groups), n)
            folds = group_folds(codes, max(2, min(self.folds, int(codes.max()) + 1)), rng=rng)
        return logistic.fold_numbers(n, [test for _, test in folds])

    def _logits(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        return rows @ self.coef_.T + self.intercept_

    def decision_function(self, X: Any) -> Any:
        """Log-odds, (n, labels), or (n,) where one label was given as (n,)."""
        logits = self._logits(X)
        return like(logits[:, 0] if self._flat else logits, X)

    def predict_proba(self, X: Any) -> Any:
        """Probability of each label being 1, (n, labels); of both classes, (n, 2), where one was
        given as (n,).
        """
        logits = self._logits(X)
        return like(np.hstack([expit(-logits), expit(logits)]) if self._flat else expit(logits), X)

    def predict(self, X: Any) -> Any:
        """Predicted labels, (n, labels) of 0 and 1, or (n,) of the two classes."""
        yes = (self._logits(X) > 0).astype(np.int64)
        labels = self.classes_[yes[:, 0]] if self._flat else yes
        return like(labels, X) if labels.dtype.kind in "iufb" else labels
