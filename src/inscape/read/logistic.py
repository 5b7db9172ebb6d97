"""Logistic probe: is a class readable by a linear boundary?

    minimise  Σ log loss(y, b + βx) + ‖β‖² / (2C)

binary or multinomial, intercept unpenalised: scikit-learn's `LogisticRegression` objective. C is
chosen from a grid by inner cross-validated log loss, with whole groups held out when `groups` is
given. All inner fits run at once.

Reference: Alain and Bengio (2016), arXiv:1610.01644.
"""

from __future__ import annotations

import warnings
from typing import Any, no_type_check

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core import logistic, ridge
from inscape.core.arrays import like, to_numpy
from inscape.core.folds import group_codes, group_folds, stratified_folds
from inscape.read.direction import LinearDirections


class LogisticProbe(ClassifierMixin, LinearDirections):
    """Linear classifier probe.

    Args:
        Cs: grid of inverse penalties, positive; one value skips the inner choice.
        scale: divide C by the mean squared deviation of a feature, so that the probe does not
            depend on the unit of the representation; False for scikit-learn's meaning of C.
        folds: inner folds (fewer where there are fewer groups or rows).
        tol: the fit is done when the preconditioned gradient per row is below it.
        max_iter: iterations at most; a `ConvergenceWarning` says when they did not suffice.
        random_state: seed of the inner folds.

    Attributes:
        classes_: the labels, sorted.
        coef_: (1, d) for two classes, else (k, d).
        intercept_: (1,) or (k,).
        C_: the chosen inverse penalty as it enters the formula.
        inner_loss_: inner held-out log loss per row at the chosen C, in nats; NaN when nothing was
            chosen.
        n_features_in_, n_iter_: d, and iterations of the last fit.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(200, 5))
        >>> LogisticProbe().fit(x, np.where(x[:, 0] > 0, "yes", "no")).predict(x[:3]).tolist()
        ['yes', 'yes', 'no']
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

    def fit(self, X: Any, y: Any, groups: Any = None) -> LogisticProbe:
        """Fit.

        Args:
            X: representations, (n, d).
            y: labels, (n,).
            groups: one group per row: C is then chosen with whole groups held out.

        Returns:
            The probe.

        Raises:
            ValueError: NaN, wrong shapes, one class only, a C that is not positive.
            DataError: groups that cannot be held out (one group only, a missing one).
        """
        X, y = validate_data(
            self, to_numpy(X), to_numpy(y), dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"LogisticProbe: y holds one class ({self.classes_[0]!r}); a probe needs at least "
                "two classes"
            )
        grid = np.atleast_1d(np.asarray(self.Cs, dtype=np.float64))
        if grid.size == 0 or not np.isfinite(grid).all() or (grid <= 0).any():
            raise ValueError(f"LogisticProbe: Cs must be positive numbers, got {self.Cs!r}")
        basis = ridge.Rows(X).basis()
        penalties = (basis.rms**2 if self.scale and basis.rms > 0 else 1.0) / grid
        labels = logistic.one_hot(codes.reshape(-1, 1).astype(np.int64), len(self.classes_))
        best, start, self.inner_loss_ = 0, None, float("nan")
        if len(grid) > 1 or groups is not None:
            inner = self._inner(
                codes, None if groups is None else group_codes(to_numpy(groups), len(X))
            )
            losses, starts = logistic.choose(basis.z, basis.w, labels, penalties, inner)
            best = int(losses[:, 0].argmin())
            start, self.inner_loss_ = starts[best], float(losses[best, 0]) / len(X)
        found = logistic.fit(
            basis.z,
            basis.w,
            labels,
            penalties[best : best + 1],
            start=start,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        if found.gradient[0] > self.tol:
            warnings.warn(
                f"LogisticProbe stopped after {found.iterations} iterations at gradient "
                f"{found.gradient[0]:.1e}; raise max_iter, or use smaller Cs",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.coef_ = (basis.v @ found.beta[1:, 0]).T
        self.intercept_ = found.beta[0, 0] - self.coef_ @ basis.mean
        self.C_, self.n_iter_ = float(1.0 / penalties[best]), found.iterations
        return self

    def _inner(self, codes: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
        rng = np.random.default_rng(self.random_state)
        if groups is None:
            folds = stratified_folds(codes, min(self.folds, len(codes)), rng=rng)
        else:
            folds = group_folds(groups, max(2, min(self.folds, int(groups.max()) + 1)), rng=rng)
        return logistic.fold_numbers(len(codes), [test for _, test in folds])

    def _logits(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        return rows @ self.coef_.T + self.intercept_

    def decision_function(self, X: Any) -> Any:
        """Log-odds of the second class, (n,), or logits (n, k)."""
        logits = self._logits(X)
        return like(logits[:, 0] if logits.shape[1] == 1 else logits, X)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes, (n, k), in the order of ``classes_``."""
        logits = self._logits(X)
        if logits.shape[1] > 1:
            return like(softmax(logits, axis=1), X)
        return like(np.hstack([expit(-logits), expit(logits)]), X)

    def predict(self, X: Any) -> Any:
        """Predicted labels, (n,): a tensor if X is one and the labels are numbers."""
        logits = self._logits(X)
        index = (logits[:, 0] > 0).astype(int) if logits.shape[1] == 1 else logits.argmax(axis=1)
        labels = self.classes_[index]
        return like(labels, X) if labels.dtype.kind in "iufb" else labels
