"""Mean projection: remove the span of the differences between class means.

    r(x) = x − Q Qᵀ x       Q an orthonormal basis of {μ_c − μ}

The simplest orthogonal eraser with the linear guarantee (it is LEACE's ``"orth"`` for labels): class means coincide after it
along every direction. It may move the representation more than LEACE does. With `center`, activations keep their mean along
the removed directions. Cost n d, and d k² once.

Reference: Haghighatkhah et al. (2022), Better hit the nail on the head than beat around the bush: removing protected
attributes with a single projection, arXiv:2212.04273.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy
from inscape.core.edit import Affine, Scope
from inscape.core.projection import affine_of, span


class MeanProjection(TransformerMixin, BaseEstimator):
    """Project out the differences of class means.

    Args:
        center: keep the mean of the removed coordinates instead of zero.

    Attributes:
        classes_: labels.
        basis_: (r, d), orthonormal rows; r is at most classes − 1.
        mean_: (d,), the mean of all rows if `center`, else zero.

    Example:
        >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]])
        >>> MeanProjection(center=False).fit_transform(x, [0, 0, 1, 1]).tolist()
        [[0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 1.0]]
    """

    def __init__(self, center: Any = True) -> None:
        self.center = center

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def fit(self, X: Any, y: Any) -> MeanProjection:
        """Fit on rows and labels.

        Raises:
            ValueError: NaN, wrong shapes, a single class.
        """
        X, y = validate_data(self, to_numpy(X), to_numpy(y), dtype=[np.float64, np.float32], ensure_min_samples=2)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"MeanProjection: y holds one class ({self.classes_[0]!r}); erasing needs two classes")
        X = X.astype(np.float64)
        mean = X.mean(axis=0)
        self.basis_ = span(np.stack([X[codes == c].mean(axis=0) - mean for c in range(len(self.classes_))]))
        self.mean_ = mean if self.center else np.zeros_like(mean)
        return self

    def transform(self, X: Any) -> Any:
        """Rows without the directions, (n, d)."""
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        return like(rows - ((rows - self.mean_) @ self.basis_.T) @ self.basis_, X)

    def edit(self, scope: Scope) -> Affine:
        """The same map as an edit of a forward pass."""
        check_is_fitted(self)
        weight, bias = affine_of(self.basis_, self.mean_)
        return Affine(scope, torch.from_numpy(weight), torch.from_numpy(bias))
