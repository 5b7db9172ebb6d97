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
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy
from inscape.core.between import check_between
from inscape.core.neighbours import neighbours


def vote_of_nearest(
    distances: Float[np.ndarray, "_ _"], labels: Shaped[np.ndarray, " n"], k: int
) -> Shaped[np.ndarray, " n"]:
    """The label of each item by a vote of its k nearest others, from distances alone: where items
    have no vectors, such as samples that are compared by transport.

    Args:
        distances: of every pair, nearer is less; the diagonal is not looked at.
        labels: of each item, of any kind that can be sorted.
        k: how many vote.

    Returns:
        The label with most votes, the first of the sorted labels in a tie.

    Raises:
        ValueError: no square matrix of as many items as labels, a NaN off the diagonal, or k
            outside 1 … n − 1.

    Example:
        >>> x = np.array([0.0, 1.0, 2.0, 7.0, 8.0])
        >>> labels = np.array(["a", "a", "b", "b", "b"])
        >>> vote_of_nearest(abs(x[:, None] - x), labels, 1).tolist()
        ['a', 'a', 'a', 'b', 'b']
    """
    n = len(labels)
    if distances.shape != (n, n):
        raise ValueError(
            f"vote_of_nearest: distances of shape {distances.shape} for {n} labels; give one for "
            "each pair of items"
        )
    check_between("vote_of_nearest: k", k, 1, n - 1)
    far = np.array(distances, dtype=np.float64)
    np.fill_diagonal(far, np.inf)
    if np.isnan(far).any():
        raise ValueError("vote_of_nearest: distances hold NaN, which has no place; leave it out")
    classes, codes = np.unique(labels, return_inverse=True)
    near = codes[np.argsort(far, axis=1, kind="stable")[:, :k]]
    votes = (near[:, :, None] == np.arange(len(classes))).sum(axis=1)
    return classes[votes.argmax(axis=1)]


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
