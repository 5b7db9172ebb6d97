"""What erasers by orthogonal projection share: the map of what they learnt, on rows and in a
forward pass.

r(x) = x − Qᵀ Q (x − m)       rows of Q an orthonormal basis, m what is kept along it
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy
from inscape.core.edit import Affine, Scope
from inscape.core.projection import affine_of


class OrthogonalEraser(TransformerMixin, BaseEstimator):
    """Base of the erasers that learn a subspace from labels.

    Attributes:
        basis_: (k, d), orthonormal rows: what is removed.
        mean_: (d,), kept along the removed directions; zero where nothing is.
    """

    basis_: Float[np.ndarray, "k d"]
    mean_: Float[np.ndarray, " d"]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def transform(self, X: Any) -> Any:
        """Rows without the directions, (n, d), of the kind that came."""
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        return like(rows - ((rows - self.mean_) @ self.basis_.T) @ self.basis_, X)

    def edit(self, scope: Scope) -> Affine:
        """The same map as an edit of a forward pass."""
        check_is_fitted(self)
        weight, bias = affine_of(self.basis_, self.mean_)
        return Affine(scope, torch.from_numpy(weight), torch.from_numpy(bias))
