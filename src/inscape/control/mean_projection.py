"""Mean projection: remove the span of the differences between class means.

    r(x) = x − Q Qᵀ x       Q an orthonormal basis of {μ_c − μ}

The simplest orthogonal eraser with the linear guarantee (it is LEACE's ``"orth"`` for labels):
class means coincide after it along every direction. It may move the representation more than LEACE
does. With `center`, activations keep their mean along the removed directions. Cost n d, and d k²
once.

Reference: Haghighatkhah et al. (2022), Better hit the nail on the head than beat around the bush:
removing protected attributes with a single projection, arXiv:2212.04273.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from inscape.control.orthogonal_eraser import OrthogonalEraser
from inscape.core.arrays import to_numpy
from inscape.core.projection import span


class MeanProjection(OrthogonalEraser):
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

    def fit(self, X: Any, y: Any) -> MeanProjection:
        """Fit on rows and labels.

        Raises:
            ValueError: NaN, wrong shapes, numbers that are no labels, a single class.
        """
        X, y = validate_data(
            self, to_numpy(X), to_numpy(y), dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"MeanProjection: y holds one class ({self.classes_[0]!r}); erasing needs two "
                "classes"
            )
        X = X.astype(np.float64)
        mean = X.mean(axis=0)
        self.basis_ = span(
            np.stack([X[codes == c].mean(axis=0) - mean for c in range(len(self.classes_))])
        )
        self.mean_ = mean if self.center else np.zeros_like(mean)
        return self
