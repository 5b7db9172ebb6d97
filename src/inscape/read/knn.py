"""k nearest neighbours: what a representation holds in whatever shape, read without training
anything.

    score_c(x) = Σ_{i among the k nearest of x, y_i = c} v_i        v_i = 1, or exp(cos(x, x_i) / T)

The table of neighbours (`inscape.core.neighbours`) does not depend on the labels, so every label
and every shuffle of it is read off one table. k, metric, weights and temperature are part of the
result's name: report them.

Cost n m d for n rows against m, and n m log m for the order.
Reference: Wu et al. (2018), arXiv:1805.01978, and Caron et al. (2021), arXiv:2104.14294, for the
weighted vote.
"""

from __future__ import annotations

from typing import Any, Literal, no_type_check

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy
from inscape.core.neighbours import neighbours


class KNNProbe(ClassifierMixin, BaseEstimator):
    """Vote of the nearest training rows.

    Args:
        k: how many vote; all training rows where there are fewer.
        metric: ``"cosine"`` or ``"euclidean"``.
        weights: ``"uniform"``, or ``"softmax"``: a vote weighs exp(similarity / temperature),
            similarity being the cosine, or minus the distance.
        temperature: of ``"softmax"``.

    Attributes:
        classes_: the labels, sorted.
        bank_, codes_: training rows and their class codes.
        n_features_in_: d.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> KNNProbe(k=1).fit(x, ["a", "a", "b"]).predict([[0.1, 2.0]]).tolist()
        ['b']
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(
        self,
        k: int = 20,
        *,
        metric: Literal["euclidean", "cosine"] = "cosine",
        weights: Literal["uniform", "softmax"] = "uniform",
        temperature: float = 0.07,
    ) -> None:
        self.k = k
        self.metric = metric
        self.weights = weights
        self.temperature = temperature

    def fit(self, X: Any, y: Any, groups: Any = None) -> KNNProbe:
        """Keep the rows; `groups` is taken for the sake of one signature.

        Raises:
            ValueError: NaN, wrong shapes, one class only, an option that does not exist.
        """
        X, y = validate_data(
            self, to_numpy(X), to_numpy(y), dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        check_classification_targets(y)
        if self.metric not in ("euclidean", "cosine") or self.weights not in ("uniform", "softmax"):
            raise ValueError(
                "KNNProbe: metric must be 'cosine' or 'euclidean' and weights 'uniform' or "
                f"'softmax', got {self.metric!r} and {self.weights!r}"
            )
        if self.k < 1 or not self.temperature > 0:
            raise ValueError(
                f"KNNProbe: k and temperature must be positive, got {self.k} and {self.temperature}"
            )
        self.classes_, self.codes_ = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"KNNProbe: y holds one class ({self.classes_[0]!r}); a probe needs at least two "
                "classes"
            )
        self.bank_ = X
        return self

    def predict_proba(self, X: Any) -> Any:
        """Share of each class in the vote, (n, k classes)."""
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        found = neighbours(rows, self.bank_, min(self.k, len(self.bank_)), metric=self.metric)
        vote = np.ones_like(found.distance)
        if self.weights == "softmax":  # the nearest first: the largest exponent is zero
            vote = np.exp((found.distance[:, :1] - found.distance) / self.temperature)
        labels = self.codes_[found.index]
        shares = np.stack(
            [(vote * (labels == c)).sum(axis=1) for c in range(len(self.classes_))], axis=1
        )
        return like(shares / shares.sum(axis=1, keepdims=True), X)

    def predict(self, X: Any) -> Any:
        """The class with most votes, (n,), the first of the sorted labels in a tie."""
        most = to_numpy(self.predict_proba(X)).argmax(axis=1)
        labels = self.classes_[most]
        return like(labels, X) if labels.dtype.kind in "iufb" else labels
