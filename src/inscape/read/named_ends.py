"""A direction found without labels, whose two ends the labels then name.

An unsupervised finder gives a line, not an arrow. Here labels do three things that fitting a line
cannot: they turn the direction so that the second class lies higher, and put the threshold half-way
between the classes' means along it.

    score(x) = d·(x − (μ₀ + μ₁)/2)        d as found, times ±1
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy
from inscape.read.direction import LinearDirections


class NamedEnds(ClassifierMixin, LinearDirections):
    """Base of the unsupervised direction finders: `fit` asks `_line` for a direction and names its
    ends.

    Attributes:
        classes_: the two labels, sorted; the direction points to the second.
        coef_: unit direction, (1, d); zero where there is none (constant rows).
        intercept_: (1,).
        n_features_in_: d.
    """

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    @abstractmethod
    def _line(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
        """A direction found in the rows alone."""

    def fit(self, X: Any, y: Any, groups: Any = None) -> NamedEnds:
        """Find the direction in X and name its ends by y; `groups` is taken for the sake of one
        signature.

        Raises:
            ValueError: not two classes, NaN, wrong shapes.
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
                f"{type(self).__name__}: y holds one class ({self.classes_[0]!r}); its ends need "
                "two classes"
            )
        X = X.astype(np.float64)
        line = self._line(X)
        size = np.linalg.norm(line)
        line = line / size if size > 0 else line
        low, high = (X[codes == c].mean(axis=0) @ line for c in (0, 1))
        sign = -1.0 if high < low else 1.0
        self.coef_ = sign * line[None]
        self.intercept_ = np.array([-sign * (low + high) / 2])
        return self

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
