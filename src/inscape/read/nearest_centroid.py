"""Nearest centroid: the simplest reading of a geometry. A row belongs to the class whose mean is
closest.

    ŷ = argmin_c dist(x, μ_c)        Euclidean, or one minus the cosine about the mean of all training rows

Nothing is tuned, so nothing can be overfitted but the means; what a fitted boundary gains over it
is shape of the clouds, not their place. Cost n d for all classes.

Reference: Tibshirani et al. (2002), PNAS 99; Snell, Swersky and Zemel (2017), arXiv:1703.05175
(prototypes).
"""

from __future__ import annotations

from typing import Any, Literal, no_type_check

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy
from inscape.core.item_rows import unit_rows


class CentroidProbe(ClassifierMixin, BaseEstimator):
    """Nearest class mean.

    Args:
        metric: ``"euclidean"``, or ``"cosine"`` of what is left when the mean of all training rows
            is taken off: without that, the offset common to all rows of a network's layer decides.

    Attributes:
        classes_: the labels, sorted.
        centroids_: class means, (k, d).
        mean_: mean of all training rows, (d,).
        n_features_in_: d.

    Example:
        >>> x = np.array([[0.0, 0.0], [0.0, 2.0], [5.0, 1.0]])
        >>> CentroidProbe().fit(x, ["a", "a", "b"]).predict([[1.0, 9.0]]).tolist()
        ['a']
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(self, *, metric: Literal["euclidean", "cosine"] = "euclidean") -> None:
        self.metric = metric

    def fit(self, X: Any, y: Any, groups: Any = None) -> CentroidProbe:
        """Take the class means; `groups` is taken for the sake of one signature.

        Raises:
            ValueError: NaN, wrong shapes, one class only, an unknown metric.
        """
        X, y = validate_data(
            self, to_numpy(X), to_numpy(y), dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        check_classification_targets(y)
        if self.metric not in ("euclidean", "cosine"):
            raise ValueError(
                f"CentroidProbe: metric must be 'euclidean' or 'cosine', got {self.metric!r}"
            )
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"CentroidProbe: y holds one class ({self.classes_[0]!r}); a probe needs at least "
                "two"
            )
        X = X.astype(np.float64)
        self.centroids_ = np.stack([X[codes == c].mean(axis=0) for c in range(len(self.classes_))])
        self.mean_ = X.mean(axis=0)
        return self

    def distances(self, X: Any) -> Any:
        """Distance of every row to every centroid, (n, k)."""
        check_is_fitted(self)
        rows = (
            validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
            - self.mean_
        )
        centres = self.centroids_ - self.mean_
        if self.metric == "cosine":
            return like(1.0 - unit_rows(rows) @ unit_rows(centres).T, X)
        square = (rows**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * rows @ centres.T
        return like(np.sqrt(np.maximum(square, 0.0)), X)

    def predict(self, X: Any) -> Any:
        """Predicted labels, (n,): a tensor if X is one and the labels are numbers."""
        nearest = to_numpy(self.distances(X)).argmin(axis=1)
        labels = self.classes_[nearest]
        return like(labels, X) if labels.dtype.kind in "iufb" else labels
