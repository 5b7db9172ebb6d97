"""INLP: iterative null-space projection. Train a linear classifier, project out its directions,
repeat.

    w₁ = classifier(x),  P₁ = I − ŵ₁ŵ₁ᵀ;   w₂ = classifier(P₁ x), …;   P = the projection off span(w₁, w₂, …)

Each round removes what one classifier used, so it takes more dimensions than needed for the same
guarantee: it is kept as the baseline that LEACE and R-LACE are compared with. Rounds end when the
classifier is within `tol` of the majority class on the rows it was trained on, or at `rounds`.

Cost: rounds × one classifier.
Reference: Ravfogel et al. (2020), Null it out, arXiv:2004.07667, Algorithm 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.control.orthogonal_eraser import OrthogonalEraser
from inscape.core.arrays import to_numpy
from inscape.core.edit import Affine, Scope
from inscape.core.projection import span


class INLP(OrthogonalEraser):
    """Iterative null-space projection.

    Args:
        rounds: classifiers at most.
        tol: how far above the majority's share a classifier's accuracy may be when it stops.
        classifier: a linear scikit-learn classifier with ``coef_``; None for logistic regression.

    Attributes:
        classes_: labels.
        basis_: (r, d), orthonormal rows, in the order found.
        mean_: zero: nothing is kept along them.
        ranks_: directions after each round, (rounds made,).
        accuracies_: training accuracy of each round's classifier, (rounds made + 1,): the last is
            what is left.
    """

    def __init__(self, rounds: Any = 20, tol: Any = 0.02, classifier: Any = None) -> None:
        self.rounds = rounds
        self.tol = tol
        self.classifier = classifier

    def fit(self, X: Any, y: Any) -> INLP:
        """Fit on rows and labels.

        Raises:
            ValueError: NaN, wrong shapes, a single class, fewer than one round.
        """
        X, y = validate_data(
            self, to_numpy(X), to_numpy(y), dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        check_classification_targets(y)
        if self.rounds < 1:
            raise ValueError(f"INLP: rounds must be at least 1, got {self.rounds}")
        self.classes_, counts = np.unique(y, return_counts=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"INLP: y holds one class ({self.classes_[0]!r}); erasing needs two classes"
            )
        rows, self.mean_ = X.astype(np.float64), np.zeros(X.shape[1])
        # the classifier sees columns of one scale, so that its penalty means the same in every
        # round and representation
        scale = float(rows.std()) or 1.0
        majority, self.basis_ = counts.max() / len(y), np.zeros((0, rows.shape[1]))
        self.ranks_, self.accuracies_ = [], []
        while True:
            left = rows - rows @ self.basis_.T @ self.basis_
            found = clone(self._classifier()).fit(left / scale, y)
            self.accuracies_.append(float(found.score(left / scale, y)))
            full = len(self.basis_) >= rows.shape[1]
            if (
                self.accuracies_[-1] <= majority + self.tol
                or len(self.ranks_) >= self.rounds
                or full
            ):
                return self
            # new directions lie in what is left, but for rounding
            new = found.coef_ - found.coef_ @ self.basis_.T @ self.basis_
            self.basis_ = np.concatenate([self.basis_, span(new, tol=1e-8)])[: rows.shape[1]]
            self.ranks_.append(len(self.basis_))

    def _classifier(self) -> Any:
        return LogisticRegression(max_iter=1000) if self.classifier is None else self.classifier

    def edit(self, scope: Scope) -> Affine:
        """The same map as an edit of a forward pass.

        Raises:
            ValueError: nothing was found, so there is nothing to remove.
        """
        check_is_fitted(self)
        if len(self.basis_) == 0:
            raise ValueError(
                "INLP.edit: no classifier beat the majority, so nothing is removed; there is no "
                "edit to make"
            )
        return super().edit(scope)
