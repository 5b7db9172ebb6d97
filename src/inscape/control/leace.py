"""LEACE: the least-squares concept eraser, in closed form, from streamed moments.

After it no linear classifier does better than a constant, for any loss, because no class-conditional mean differs; and
among all affine maps with that guarantee it moves the representation least, in every inner product at once:

    r(x) = x − W⁺ P W (x − μ)       W = (Σxx^{1/2})⁺,   P the orthogonal projection onto the columns of W Σxz

The guarantee is about affine readers only: what is left non-linearly must be measured beside it. `OracleLeace` is told
each row's concept and subtracts what it predicts, x − Σxz Σzz⁺ (z − μz): a lower bound on the change, and no eraser for
rows whose concept is not known. In float64, whatever comes in.

Cost: n d² for the moments, d³ once; d² numbers held whatever n.
Reference: Belrose et al. (2023), LEACE: Perfect linear concept erasure in closed form, arXiv:2306.03819, Theorems 4.2, 4.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy
from inscape.core.centred import Centred
from inscape.core.edit import Affine, Scope
from inscape.core.joint import Joint

#: rows whose products are taken at once: their float64 copy stays in the cache
CHUNK = 4096


class LeaceEraser(TransformerMixin, BaseEstimator):
    """Erase a concept from a representation with the least change.

    Args:
        method: ``"leace"``, the least change; ``"orth"``, the orthogonal projection that has the same guarantee.
        tol: singular values of the whitened cross-covariance below this share of the largest are taken for zero.

    Attributes:
        mean_: μ, (d,).
        proj_left_: (d, r): W⁺ U, with U an orthonormal basis of what is erased in the whitened space.
        proj_right_: (r, d): Uᵀ W; ``r(x) = x − proj_left_ proj_right_ (x − μ)``.
        rank_: r, at most the concept's dimensions (classes − 1 for a label).
        n_features_in_: d.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> z = rng.integers(0, 2, 200)
        >>> x = rng.normal(size=(200, 3)) + 2 * z[:, None]
        >>> erased = LeaceEraser().fit_transform(x, z)
        >>> bool(np.abs(erased[z == 1].mean(0) - erased[z == 0].mean(0)).max() < 1e-9)
        True
    """

    def __init__(self, method: Any = "leace", tol: Any = 1e-6) -> None:
        self.method = method
        self.tol = tol

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def fit(self, X: Any, y: Any) -> LeaceEraser:
        """Fit on rows x (n, d) and a concept: labels (n,), or numbers (n, k) to be made linearly unpredictable.

        Raises:
            ValueError: NaN, other lengths, one row, an unknown method.
        """
        X = validate_data(self, to_numpy(X), dtype=[np.float64, np.float32], ensure_min_samples=2)
        z, self.classes_ = _columns(y, None)
        if len(z) != len(X):
            raise ValueError(f"LeaceEraser: {len(X)} rows and {len(z)} labels; give one label for each row")
        self.moments_ = None
        self._add(X, z)
        return self._solve()

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> LeaceEraser:
        """Add rows to what was seen; `classes` names all labels at the first call, unless y is (n, k) numbers.

        Raises:
            ValueError: as `fit`, or a label that is none of the classes.
        """
        first = getattr(self, "moments_", None) is None
        X = validate_data(self, to_numpy(X), reset=first, dtype=[np.float64, np.float32])
        z, self.classes_ = _columns(y, classes if first else self.classes_)
        if len(z) != len(X):
            raise ValueError(f"LeaceEraser: {len(X)} rows and {len(z)} labels; give one label for each row")
        if first:
            self.moments_ = None
        self._add(X, z)
        return self._solve() if self.moments_[0].n > 1 else self

    @classmethod
    def from_moments(cls, x: Centred, xz: Joint, **options: Any) -> LeaceEraser:
        """The eraser from moments alone: of the representation, and its cross-moments with the concept's columns."""
        if x.n != xz.n or len(x.mean) != len(xz.mean_x):
            raise ValueError(
                f"LeaceEraser.from_moments: {x.n} rows of {len(x.mean)} and {xz.n} of {len(xz.mean_x)} numbers are not "
                "one set; give the moments of the same rows"
            )
        made = cls(**options)
        made.moments_, made.classes_, made.n_features_in_ = (x, xz), None, len(x.mean)
        return made._solve()

    def _add(self, x: np.ndarray, z: np.ndarray) -> None:
        for start in range(0, len(x), CHUNK):
            part, columns = x[start : start + CHUNK], z[start : start + CHUNK]
            new = Centred.of(part), Joint.of(part, columns)
            self.moments_ = new if self.moments_ is None else (self.moments_[0] + new[0], self.moments_[1] + new[1])

    def _solve(self) -> LeaceEraser:
        if self.method not in ("leace", "orth"):
            raise ValueError(f"LeaceEraser: method must be 'leace' or 'orth', got {self.method!r}")
        x, xz = self.moments_
        self.mean_, cross = x.mean, xz.cross / x.n
        w, v = np.linalg.eigh(x.scatter / x.n)
        # directions below rounding hold no data; erasing in them would divide by noise
        keep = w > max(len(w), 1) * np.finfo(np.float64).eps * max(float(w[-1]), 0.0)
        v, root = v[:, keep], np.sqrt(w[keep])
        whitened = (v.T @ cross) / root[:, None] if self.method == "leace" else cross
        u, size, _ = np.linalg.svd(whitened, full_matrices=False)
        # a cross-covariance of rounding error alone erases nothing
        floor = max(self.tol * float(size.max(initial=0.0)), 1e-12 * float(np.sqrt(xz.trace_y / x.n)))
        u = u[:, size > floor]
        if self.method == "leace":
            self.proj_left_, self.proj_right_ = (v * root) @ u, (u / root[:, None]).T @ v.T
        else:
            self.proj_left_, self.proj_right_ = u, u.T
        self.rank_ = u.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        """Rows without the concept, (n, d), of the kind that came."""
        check_is_fitted(self, "proj_left_")
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        return like(rows - ((rows - self.mean_) @ self.proj_right_.T) @ self.proj_left_.T, X)

    def edit(self, scope: Scope) -> Affine:
        """The same map as an edit of a forward pass: ``h Aᵀ + b``."""
        check_is_fitted(self, "proj_left_")
        removed = self.proj_left_ @ self.proj_right_
        weight = np.eye(len(removed)) - removed
        return Affine(scope, torch.from_numpy(weight), torch.from_numpy(removed @ self.mean_))


class OracleLeace(BaseEstimator):
    """The least change that leaves a known concept uncorrelated: x − Σxz Σzz⁺ (z − μz).

    Attributes:
        coef_: Σxz Σzz⁺, (d, k).
        mean_z_: (k,).
    """

    def fit(self, X: Any, y: Any) -> OracleLeace:
        """Fit on rows and their concept."""
        X = validate_data(self, to_numpy(X), dtype=[np.float64, np.float32], ensure_min_samples=2)
        z, self.classes_ = _columns(y, None)
        if len(z) != len(X):
            raise ValueError(f"OracleLeace: {len(X)} rows and {len(z)} labels; give one label for each row")
        joint = Joint.of(X, z)
        self.mean_z_ = joint.mean_y
        self.coef_ = joint.cross @ np.linalg.pinv(Centred.of(z).scatter, hermitian=True)
        return self

    def transform(self, X: Any, y: Any) -> Any:
        """Rows less what their concept predicts, (n, d)."""
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        z, _ = _columns(y, self.classes_)
        return like(rows - (z - self.mean_z_) @ self.coef_.T, X)


def _columns(y: Any, classes: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """A concept as float columns (n, k), and the classes if it is a label (one column each)."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    z = np.asarray(to_numpy(y))
    if z.ndim == 2:
        return check_array(z, dtype=np.float64, input_name="y"), None
    if z.ndim != 1:
        raise ValueError(f"y must be labels (n,) or numbers (n, k), got shape {z.shape}")
    known = np.unique(z) if classes is None else np.asarray(classes)
    if known.dtype.kind == "f" and not np.isfinite(known).all():
        raise ValueError("Input y contains NaN or infinity.")
    hot = z[:, None] == known[None]
    if not hot.any(axis=1).all():
        strange = z[~hot.any(axis=1)][0]
        raise ValueError(
            f"the label {strange} is none of the classes {known.tolist()}; name them all at the first call"
        )
    return hot.astype(np.float64), known
