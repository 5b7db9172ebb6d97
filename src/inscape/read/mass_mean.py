"""Mass-mean probe: the difference of the class means, as a direction and a classifier.

    θ = μ₁ − μ₀            score(x) = θ·(x − (μ₀ + μ₁)/2)                       plain
    θ = Σ⁻¹ (μ₁ − μ₀)      the same score + log(n₁/n₀), Σ within classes         lda

The plain direction is the one along which adding moves one class's mean to the other's, and needs
no penalty; with `lda` it is Fisher's discriminant, the better classifier when classes are
elongated. Cost n d, or d³ with `lda`.

Reference: Marks and Tegmark (2023), The geometry of truth, arXiv:2310.06824, §5; Ledoit and Wolf
(2004) for the shrinkage.
"""

from __future__ import annotations

from typing import Any, Literal, no_type_check

import numpy as np
from scipy import linalg
from sklearn.base import ClassifierMixin
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy
from inscape.read.direction import LinearDirections


class MassMeanProbe(ClassifierMixin, LinearDirections):
    """Difference-of-means probe of two classes.

    Args:
        lda: whiten the difference by the covariance within classes.
        shrinkage: weight of the spherical covariance in it, 0 to 1, or ``"auto"`` for Ledoit and
            Wolf's.

    Attributes:
        classes_: the two labels, sorted; the direction points to the second.
        means_: class means, (2, d).
        coef_: (1, d); for the plain probe the difference of the means itself.
        intercept_: (1,).
        n_features_in_: d.

    Example:
        >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]])
        >>> MassMeanProbe().fit(x, [0, 0, 1, 1]).direction_.tolist()
        [1.0, 0.0]
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(self, *, lda: bool = False, shrinkage: float | Literal["auto"] = "auto") -> None:
        self.lda = lda
        self.shrinkage = shrinkage

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None) -> MassMeanProbe:
        """Fit; `groups` is taken for the sake of one signature, and nothing here is chosen with it.

        Raises:
            ValueError: not two classes, NaN, wrong shapes, a shrinkage outside 0 … 1.
        """
        X, y = validate_data(
            self, to_numpy(X), to_numpy(y), dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {kind}."
            )
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"MassMeanProbe: y holds one class ({self.classes_[0]!r}); a probe needs two "
                "classes"
            )
        X = X.astype(np.float64)
        self.means_ = np.stack([X[codes == c].mean(axis=0) for c in (0, 1)])
        difference, offset = self.means_[1] - self.means_[0], 0.0
        if self.lda:
            difference = linalg.lstsq(self._covariance(X - self.means_[codes]), difference)[0]
            offset = float(np.log((codes == 1).sum() / (codes == 0).sum()))
        self.coef_ = difference[None]
        self.intercept_ = offset - self.coef_ @ self.means_.mean(axis=0)
        return self

    def _covariance(self, within: np.ndarray) -> np.ndarray:
        covariance = within.T @ within / len(within)
        auto = self.shrinkage == "auto"
        weight = (
            ledoit_wolf_shrinkage(within, assume_centered=True) if auto else float(self.shrinkage)
        )
        if not 0 <= weight <= 1:
            raise ValueError(
                "MassMeanProbe: shrinkage must be 'auto' or between 0 and 1, got "
                f"{self.shrinkage!r}"
            )
        covariance *= 1 - weight
        covariance[np.diag_indices_from(covariance)] += weight * (within**2).mean()
        return covariance

    def decision_function(self, X: Any) -> Any:
        """Score along the direction, (n,), positive for the second class."""
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        return like(rows @ self.coef_[0] + self.intercept_[0], X)

    def predict(self, X: Any) -> Any:
        """Predicted labels, (n,): a tensor if X is one and the labels are numbers."""
        scores = to_numpy(self.decision_function(X))
        labels = self.classes_[(scores > 0).astype(int)]
        return like(labels, X) if labels.dtype.kind in "iufb" else labels
