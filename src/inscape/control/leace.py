"""LEACE: the least-squares concept eraser, in closed form, from streamed moments.

After it no linear classifier does better than a constant, for any loss, because no
class-conditional mean differs; and among all affine maps with that guarantee it moves the
representation least, in every inner product at once:

    r(x) = x − W⁺ P W (x − μ)       W = (Σxx^{1/2})⁺,   P the orthogonal projection onto the columns of W Σxz

The guarantee is about affine readers only: what is left non-linearly must be measured beside it.
`OracleLeace` is told each row's concept and subtracts what it predicts, x − Σxz Σzz⁺ (z − μz): a
lower bound on the change, and no eraser for rows whose concept is not known. In float64, whatever
comes in.

With few rows for their width Σxx is a poor estimate, and the least change on these rows is more on
others. Shrinkage puts (1 − s) Σxx + s (tr Σxx / d) I in its place; the guarantee holds for every s,
since any W that is invertible gives it:

    s = (tr Σxx)² / n / (‖Σxx‖² − (tr Σxx)² / d)       the optimal one, at most 1

Cost: n d² for the moments, d³ once; d² numbers held whatever n.
Reference: Belrose et al. (2023), LEACE: Perfect linear concept erasure in closed form,
arXiv:2306.03819, Theorems 4.2, 4.3; Bodnar, Gupta and Parolya (2014), arXiv:1308.2608, for the
shrinkage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy import linalg
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from inscape.core.arrays import like, to_numpy
from inscape.core.centred import Centred
from inscape.core.edit import Affine, Scope
from inscape.core.joint import Joint
from inscape.core.moments import Moments

#: rows whose products are taken at once: their float64 copy stays in the cache
CHUNK = 1024
#: least reciprocal condition number of a covariance that is inverted by its triangular root
RECIPROCAL = 1e-10


class _Map(NamedTuple):
    mean: np.ndarray
    left: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class _Sums:
    """What is summed over rows: x about a shift that is near its mean, its products, and those with
    the concept.
    """

    shift: np.ndarray
    x: Moments
    z_total: np.ndarray
    cross: np.ndarray
    z_square: float

    @classmethod
    def of(cls, x: np.ndarray, z: np.ndarray, shift: np.ndarray) -> _Sums:
        _same_length("LeaceEraser", x, z)
        total, gram = np.zeros(x.shape[1]), np.zeros((x.shape[1], x.shape[1]))
        cross, product = np.zeros((x.shape[1], z.shape[1])), np.empty_like(gram)
        for start in range(0, len(x), CHUNK):
            part = x[start : start + CHUNK] - shift
            total += part.sum(axis=0)
            gram += np.matmul(part.T, part, out=product)  # a product with itself costs half
            cross += part.T @ z[start : start + CHUNK]
        return cls(shift, Moments(len(x), total, gram), z.sum(axis=0), cross, float((z**2).sum()))

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(
            self.shift,
            self.x + other.x,
            self.z_total + other.z_total,
            self.cross + other.cross,
            self.z_square + other.z_square,
        )


class LeaceEraser(TransformerMixin, BaseEstimator):
    """Erase a concept from a representation with the least change.

    Args:
        method: ``"leace"``, the least change; ``"orth"``, the orthogonal projection that has the
            same guarantee.
        tol: singular values of the whitened cross-covariance below this share of the largest are
            taken for zero.
        shrinkage: weight of the sphere in the covariance, from 0 (the covariance of the rows) to 1,
            or ``"auto"`` for the optimal one, which the authors' code uses.

    Attributes:
        classes_: labels, or None where the concept came as numbers.
        sums_: the moments seen so far.
        n_features_in_: d.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> z = rng.integers(0, 2, 200)
        >>> x = rng.normal(size=(200, 3)) + 2 * z[:, None]
        >>> erased = LeaceEraser().fit_transform(x, z)
        >>> bool(np.abs(erased[z == 1].mean(0) - erased[z == 0].mean(0)).max() < 1e-9)
        True
    """

    def __init__(self, method: Any = "leace", tol: Any = 1e-6, shrinkage: Any = 0.0) -> None:
        self.method = method
        self.tol = tol
        self.shrinkage = shrinkage

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def fit(self, X: Any, y: Any) -> LeaceEraser:
        """Fit on rows x (n, d) and a concept: labels (n,), or numbers (n, k) to be made linearly
        unpredictable.

        Raises:
            ValueError: NaN, other lengths, one row, numbers (n,) that are no labels, an unknown
                method, a shrinkage outside 0 … 1.
        """
        X = validate_data(self, to_numpy(X), dtype=[np.float64, np.float32], ensure_min_samples=2)
        z, self.classes_ = _columns(y, None)
        self.sums_ = _Sums.of(X, z, X[:CHUNK].mean(axis=0, dtype=np.float64))
        self.map_ = self._solve()
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> LeaceEraser:
        """Add rows to what was seen; `classes` names all labels at the first call, unless y is (n,
        k) numbers.

        The eraser is solved for when it is first asked for, not at every call.

        Raises:
            ValueError: as `fit`, or a label that is none of the classes.
        """
        first = getattr(self, "sums_", None) is None
        X = validate_data(self, to_numpy(X), reset=first, dtype=[np.float64, np.float32])
        z, self.classes_ = _columns(y, classes if first else self.classes_)
        shift = X.mean(axis=0, dtype=np.float64) if first else self.sums_.shift
        new = _Sums.of(X, z, shift)
        self.sums_, self.map_ = new if first else self.sums_ + new, None
        return self

    @classmethod
    def from_moments(cls, x: Centred, xz: Joint, **options: Any) -> LeaceEraser:
        """The eraser from moments alone: of the representation, and its cross-moments with the
        concept's columns.

        Raises:
            ValueError: moments of different rows.
        """
        if x.n != xz.n or len(x.mean) != len(xz.mean_x):
            raise ValueError(
                f"LeaceEraser.from_moments: {x.n} rows of {len(x.mean)} and {xz.n} of "
                f"{len(xz.mean_x)} numbers are not "
                "one set; give the moments of the same rows"
            )
        made, zero = cls(**options), np.zeros_like(xz.mean_y)
        made.sums_ = _Sums(
            x.mean, Moments(x.n, np.zeros_like(x.mean), x.scatter), zero, xz.cross, xz.trace_y
        )
        made.classes_, made.n_features_in_ = None, len(x.mean)
        made.map_ = made._solve()
        return made

    def _solve(self) -> _Map:
        if self.method not in ("leace", "orth"):
            raise ValueError(f"LeaceEraser: method must be 'leace' or 'orth', got {self.method!r}")
        sums: _Sums = self.sums_
        n, mean = sums.x.n, sums.shift + sums.x.mean
        cross = (sums.cross - np.outer(sums.x.mean, sums.z_total)) / n
        # a cross-covariance of rounding error alone erases nothing
        least = 1e-12 * float(np.sqrt(sums.z_square / n))
        if self.method == "orth":
            u = self._kept(cross, least)
            return _Map(mean, u, u.T)
        covariance = _shrunk(sums.x.scatter / n, n, self.shrinkage)
        lower = _triangular_root(covariance)
        if lower is not None:
            u = self._kept(linalg.solve_triangular(lower, cross, lower=True), least)
            return _Map(mean, lower @ u, linalg.solve_triangular(lower, u, lower=True, trans=1).T)
        w, v = np.linalg.eigh(covariance)
        # directions below rounding hold no data; erasing in them would divide by noise
        keep = w > len(w) * np.finfo(np.float64).eps * max(float(w[-1]), 0.0)
        v, root = v[:, keep], np.sqrt(w[keep])
        u = self._kept((v.T @ cross) / root[:, None], least)
        return _Map(mean, (v * root) @ u, ((v / root) @ u).T)

    def _kept(self, whitened: np.ndarray, least: float) -> np.ndarray:
        """An orthonormal basis of the columns of the whitened cross-covariance, without what is
        rounding.
        """
        u, size, _ = np.linalg.svd(whitened, full_matrices=False)
        return u[:, size > max(self.tol * float(size.max(initial=0.0)), least)]

    def _solved(self) -> _Map:
        check_is_fitted(self, "sums_")
        if self.map_ is None:
            self.map_ = self._solve()
        return self.map_

    @property
    def mean_(self) -> Float[np.ndarray, " d"]:
        """μ, (d,)."""
        return self._solved().mean

    @property
    def proj_left_(self) -> Float[np.ndarray, "d r"]:
        """W⁺ U, with U an orthonormal basis of what is erased in the whitened space; any whitening
        W gives one product.
        """
        return self._solved().left

    @property
    def proj_right_(self) -> Float[np.ndarray, "r d"]:
        """Uᵀ W; ``r(x) = x − proj_left_ proj_right_ (x − μ)``."""
        return self._solved().right

    @property
    def rank_(self) -> int:
        """Dimensions erased: at most the concept's (classes − 1 for a label)."""
        return self._solved().left.shape[1]

    def transform(self, X: Any) -> Any:
        """Rows without the concept, (n, d), of the kind that came."""
        found = self._solved()
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        return like(rows - ((rows - found.mean) @ found.right.T) @ found.left.T, X)

    def edit(self, scope: Scope) -> Affine:
        """The same map as an edit of a forward pass: ``h Aᵀ + b``."""
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
        _same_length("OracleLeace", X, z)
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


def _shrunk(covariance: np.ndarray, n: int, weight: float | str) -> np.ndarray:
    """The covariance drawn towards a sphere of its trace."""
    d, trace = len(covariance), float(np.trace(covariance))
    if weight == "auto":
        apart = float((covariance**2).sum()) - trace**2 / d
        share = 1.0 if apart <= 0 else min(1.0, trace**2 / n / apart)
    elif isinstance(weight, str) or not 0 <= weight <= 1:
        raise ValueError(
            f"LeaceEraser: shrinkage must be 'auto' or between 0 and 1, got {weight!r}"
        )
    else:
        share = float(weight)
    if share == 0:
        return covariance
    return (1 - share) * covariance + share * trace / d * np.eye(d)


def _triangular_root(covariance: np.ndarray) -> np.ndarray | None:
    """L with L Lᵀ the covariance, or None where it is too near to singular for its inverse to be
    trusted.

    Any W with Wᵀ W = Σ⁻¹ whitens and gives the same eraser; L⁻¹ costs a fraction of an
    eigendecomposition.
    """
    lower, failed = linalg.lapack.dpotrf(covariance, lower=1, clean=1)
    if failed:
        return None
    reciprocal, _ = linalg.lapack.dpocon(
        lower, float(np.abs(covariance).sum(axis=0).max()), uplo="L"
    )
    return lower if reciprocal > RECIPROCAL else None


def _same_length(caller: str, x: np.ndarray, z: np.ndarray) -> None:
    if len(z) != len(x):
        raise ValueError(
            f"{caller}: {len(x)} rows and {len(z)} labels; give one label for each row"
        )


def _columns(y: Any, classes: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """A concept as float columns (n, k), and the classes if it is a label (one column each)."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    z = np.asarray(to_numpy(y))
    if z.ndim == 2:
        return check_array(z, dtype=np.float64, input_name="y"), None
    if z.ndim != 1:
        raise ValueError(f"y must be labels (n,) or numbers (n, k), got shape {z.shape}")
    if classes is None:
        check_classification_targets(z)  # of numbers (n,) each would be a class of its own
    known = np.unique(z) if classes is None else np.asarray(classes)
    if known.dtype.kind == "f" and not np.isfinite(known).all():
        raise ValueError("Input y contains NaN or infinity.")
    hot = z[:, None] == known[None]
    if not hot.any(axis=1).all():
        strange = z[~hot.any(axis=1)][0]
        raise ValueError(
            f"the label {strange} is none of the classes {known.tolist()}; name them all at the "
            "first call"
        )
    return hot.astype(np.float64), known
