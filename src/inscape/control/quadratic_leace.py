"""Quadratic LEACE: every class's mean *and* covariance made equal, by optimal transport to their
barycentre.

    r(x | c) = μ + A_c (x − μ_c)       A_c = Σ_c^{-1/2} (Σ_c^{1/2} Σ̄ Σ_c^{1/2})^{1/2} Σ_c^{-1/2}
    Σ̄        = Σ_c π_c (Σ̄^{1/2} Σ_c Σ̄^{1/2})^{1/2}   at its fixed point, the Wasserstein barycentre of Gaussians

No quadratic classifier (so none that reads spread as well as place) then does better than a
constant, and of all maps of Gaussians it moves rows least. It needs each row's class, so it
prepares training data; it is no edit of a forward pass.

Cost: n d² for the moments, k d³ an iteration of the barycentre.
Reference: Agueh and Carlier (2011), Barycenters in the Wasserstein space, SIAM J. Math. Anal. 43;
Álvarez-Esteban et al. (2016), A fixed-point approach to barycenters in Wasserstein space, J. Math.
Anal. Appl. 441. Named after LEACE, arXiv:2306.03819, whose authors' library has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy


class QuadraticLeace(BaseEstimator):
    """Erase a label from means and covariances.

    Args:
        tol: relative change of the barycentre at which it is taken for found.
        max_iter: iterations at most.

    Attributes:
        classes_: labels.
        mean_: the mean that all classes get, (d,).
        covariance_: the covariance that all classes get, (d, d).
        class_means_: (k, d).
        maps_: A_c, (k, d, d).

    Example:
        >>> x = np.array([[-1.0], [1.0], [-3.0], [3.0]])
        >>> QuadraticLeace().fit(x, [0, 0, 1, 1]).transform(x, [0, 0, 1, 1]).round(6).tolist()
        [[-2.0], [2.0], [-2.0], [2.0]]
    """

    def __init__(self, tol: Any = 1e-8, max_iter: Any = 200) -> None:
        self.tol = tol
        self.max_iter = max_iter

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def fit(self, X: Any, y: Any) -> QuadraticLeace:
        """Fit on rows and labels.

        Raises:
            ValueError: NaN, wrong shapes, a class with no more rows than dimensions.
        """
        X, y = validate_data(
            self, to_numpy(X), to_numpy(y), dtype=[np.float64, np.float32], ensure_min_samples=2
        )
        check_classification_targets(y)
        self.classes_, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        if counts.min() <= X.shape[1]:
            raise ValueError(
                f"QuadraticLeace: class {self.classes_[counts.argmin()]} has {counts.min()} rows "
                f"for {X.shape[1]} dimensions, so its covariance has no inverse; give more rows, "
                "or project to fewer dimensions first"
            )
        X, shares = X.astype(np.float64), counts / len(y)
        self.class_means_ = np.stack([X[codes == c].mean(axis=0) for c in range(len(counts))])
        self.mean_ = shares @ self.class_means_
        spreads = np.stack(
            [np.cov(X[codes == c], rowvar=False, bias=True, ddof=0) for c in range(len(counts))]
        )
        spreads = spreads.reshape(len(counts), X.shape[1], X.shape[1])
        self.covariance_ = barycentre(spreads, shares, self.tol, self.max_iter)
        self.maps_ = np.stack([transport(spread, self.covariance_) for spread in spreads])
        return self

    def transform(self, X: Any, y: Any) -> Any:
        """Rows with every class's mean and covariance alike, (n, d).

        Raises:
            ValueError: a label that was not fitted, or not one for each row.
        """
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        labels = np.asarray(to_numpy(y))
        if labels.shape != (len(rows),):
            raise ValueError(
                f"QuadraticLeace: {len(rows)} rows and labels of shape {labels.shape}; give one label "
                "for each row"
            )
        if strange := sorted(set(labels.tolist()) - set(self.classes_.tolist())):
            raise ValueError(
                f"QuadraticLeace: the label {strange[0]} was not fitted; the classes are "
                f"{self.classes_}"
            )
        codes, out = np.searchsorted(self.classes_, labels), np.empty(rows.shape)
        for c in range(len(self.classes_)):
            mine = codes == c
            out[mine] = self.mean_ + (rows[mine] - self.class_means_[c]) @ self.maps_[c].T
        return like(out, X)


def barycentre(
    spreads: Float[np.ndarray, "k d d"],
    shares: Float[np.ndarray, " k"],
    tol: float = 1e-8,
    max_iter: int = 200,
) -> Float[np.ndarray, "d d"]:
    """The Wasserstein barycentre of centred Gaussians, by its fixed point, from their mean
    covariance.

    Raises:
        ValueError: no covariances, or shares that are not one for each, 0 or more, of sum 1.
    """
    if not len(spreads) or len(shares) != len(spreads) or not np.isclose(shares.sum(), 1.0):
        raise ValueError(
            f"barycentre: {len(spreads)} covariances need a share each, of sum 1, got "
            f"{np.asarray(shares).tolist()}"
        )
    if not (shares >= 0).all():
        raise ValueError("barycentre: shares must be 0 or more")
    centre = np.einsum("k,kde->de", shares, spreads)
    for _ in range(max_iter):
        root, back = _root(centre), _root(centre, -0.5)
        inner = sum(
            share * _root(root @ spread @ root)
            for share, spread in zip(shares, spreads, strict=True)
        )
        new = back @ inner @ inner @ back
        moved = float(np.linalg.norm(new - centre) / np.linalg.norm(centre))
        centre = (new + new.T) / 2
        if moved < tol:
            break
    return centre


def transport(
    start: Float[np.ndarray, "d d"], end: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "d d"]:
    """The symmetric map that takes one covariance to another and moves least: A Σ_start A =
    Σ_end.
    """
    root, back = _root(start), _root(start, -0.5)
    return back @ _root(root @ end @ root) @ back


def _root(matrix: np.ndarray, power: float = 0.5) -> np.ndarray:
    w, v = np.linalg.eigh((matrix + matrix.T) / 2)
    return (v * np.maximum(w, np.finfo(np.float64).eps * max(float(w[-1]), 1e-300)) ** power) @ v.T
