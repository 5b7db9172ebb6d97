"""Linear discriminant probe of any number of classes, from rows or from moments.

    score_c(x) = μ_c·W⁻¹x − ½ μ_c·W⁻¹μ_c + log π_c,   W the shrunk covariance within classes

The best linear classifier where classes are Gaussian clouds of one shape, in closed form: nothing
is iterated and nothing is chosen by cross-validation. Moments of each class suffice, so
`from_moments` gives the same probe without any rows in memory. Cost n d² + d³.

Reference: Hastie, Tibshirani and Friedman (2009), §4.3; Ledoit and Wolf (2004) for the shrinkage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, no_type_check

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy
from inscape.core.centred import Centred
from inscape.core.discriminant import discriminants
from inscape.read.direction import LinearDirections


class LDAProbe(ClassifierMixin, LinearDirections):
    """Fisher's discriminant as a probe.

    Args:
        shrinkage: weight of the spherical covariance, 0 to 1, or ``"auto"`` for Ledoit and Wolf's;
            0 where there are fewer rows than directions is the pseudo-inverse.

    Attributes:
        classes_: the labels, sorted.
        coef_: (1, d) for two classes, pointing to the second; else (k, d).
        intercept_: (1,) or (k,).
        means_: class means, (k, d).
        shrinkage_: the weight that was used.
        n_features_in_: d.

    Example:
        >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]])
        >>> LDAProbe(shrinkage=1.0).fit(x, ["a", "a", "b", "b"]).predict([[3.0, 5.0]]).tolist()
        ['b']
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(self, *, shrinkage: float | Literal["auto"] = "auto") -> None:
        self.shrinkage = shrinkage

    def fit(self, X: Any, y: Any, groups: Any = None) -> LDAProbe:
        """Fit; `groups` is taken for the sake of one signature, and nothing here is chosen with it.

        Raises:
            ValueError: NaN, wrong shapes, one class only, a shrinkage outside 0 … 1.
        """
        X, y = validate_data(
            self, to_numpy(X), to_numpy(y), dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"LDAProbe: y holds one class ({self.classes_[0]!r}); a probe needs at least two "
                "classes"
            )
        return self._learn([Centred.of(X[codes == c]) for c in range(len(self.classes_))])

    @classmethod
    def from_moments(
        cls, classes: Mapping[Any, Centred], shrinkage: float | Literal["auto"] = "auto"
    ) -> LDAProbe:
        """The probe that `fit` gives on the rows whose moments these are.

        Args:
            classes: label → moments of its rows.
            shrinkage: as in the constructor.

        Raises:
            ValueError: fewer than two classes, or moments of different widths.
        """
        probe = cls(shrinkage=shrinkage)
        probe.classes_ = np.unique(np.asarray(list(classes)))
        found = [classes[label] for label in sorted(classes)]
        probe.n_features_in_ = len(found[0].mean) if found else 0
        return probe._learn(found)

    def _learn(self, classes: list[Centred]) -> LDAProbe:
        found = discriminants(classes, self.shrinkage)
        two = len(classes) == 2
        self.coef_ = found.coef[1:] - found.coef[:1] if two else found.coef
        self.intercept_ = found.intercept[1:] - found.intercept[:1] if two else found.intercept
        self.means_, self.shrinkage_ = found.means, found.shrinkage
        return self

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        return rows @ self.coef_.T + self.intercept_

    def decision_function(self, X: Any) -> Any:
        """Log-odds of the second class, (n,), or scores (n, k)."""
        scores = self._scores(X)
        return like(scores[:, 0] if scores.shape[1] == 1 else scores, X)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes under equal Gaussian clouds, (n, k)."""
        scores = self._scores(X)
        wide = (
            np.hstack([expit(-scores), expit(scores)])
            if scores.shape[1] == 1
            else softmax(scores, axis=1)
        )
        return like(wide, X)

    def predict(self, X: Any) -> Any:
        """Predicted labels, (n,): a tensor if X is one and the labels are numbers."""
        scores = self._scores(X)
        labels = self.classes_[
            (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)
        ]
        return like(labels, X) if labels.dtype.kind in "iufb" else labels
