"""Probes of several vectors an example: a softmax over positions or layers makes one vector, a
linear head reads it.

    h_i = Σ_p a_ip x̃_ip,   Σ_p a_ip = 1        logits = W h + b
    minimise  mean log loss + ‖W‖² / (2 C n) + decay · ‖pooling parameters‖² / 2

Pooling starts uniform, where the head alone is a convex problem, and both are then descended
together by L-BFGS; it is not convex, and that start makes it reproducible without a seed. C is
chosen for the uniform pooling, by inner cross-validation on the training rows. How a_ip comes about
is what the subclasses say: `AttentionProbe`, `ScalarMixProbe`.

Cost: n p d for each iteration.
Reference: Byrd et al. (1995), SIAM J. Sci. Comput. 16 (L-BFGS).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor
from torch.nn import functional as F

from inscape.core import logistic, ridge
from inscape.core.arrays import like, to_numpy
from inscape.core.folds import group_codes, group_folds, stratified_folds


class PooledProbe(ClassifierMixin, BaseEstimator):
    """Base of the probes that pool; X is (n, p, d), or (n, d) for one vector each.

    Attributes:
        classes_: the labels, sorted.
        coef_: head, (k, d), of the normalised vectors.
        intercept_: (k,).
        mean_, scale_: what vectors are centred and divided by, (p or 1, d) and (p or 1, 1).
        C_: the chosen inverse penalty.
        pooling_: the pooling's own parameters.
        n_features_in_, n_iter_: d, and evaluations of the last descent.
    """

    #: whether each position has a mean and scale of its own (layers do, tokens do not)
    _apart = False

    Cs: tuple[float, ...]
    folds: int
    decay: float
    max_iter: int
    random_state: Any

    @abstractmethod
    def _start(self, p: int, d: int) -> Tensor:
        """Pooling parameters at which pooling is uniform."""

    @abstractmethod
    def _weights(
        self, x: Float[Tensor, "n p d"], pooling: Tensor, valid: Bool[Tensor, "n p"]
    ) -> Float[Tensor, "n p"]:
        """Weights of the vectors, adding up to one over valid ones."""

    def fit(self, X: Any, y: Any, groups: Any = None, lengths: Any = None) -> PooledProbe:
        """Fit.

        Args:
            X: vectors, (n, p, d), or (n, d).
            y: labels, (n,).
            groups: one group per row: C is then chosen with whole groups held out.
            lengths: how many of the p vectors of each row count, (n,); all by default.

        Raises:
            ValueError: NaN, wrong shapes, one class only, a C that is not positive, lengths outside
                1 … p.
        """
        rows, y = self._rows(X, y, fitting=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        name, grid = type(self).__name__, np.atleast_1d(np.asarray(self.Cs, dtype=np.float64))
        if len(self.classes_) < 2:
            raise ValueError(
                f"{name}: y holds one class ({self.classes_[0]!r}); a probe needs at least two "
                "classes"
            )
        if grid.size == 0 or not np.isfinite(grid).all() or (grid <= 0).any():
            raise ValueError(f"{name}: Cs must be positive numbers, got {self.Cs!r}")
        valid = self._valid(rows, lengths)
        self.mean_, self.scale_ = self._moments(rows, valid)
        z = np.where(valid[:, :, None], (rows - self.mean_) / self.scale_, 0.0)
        self.C_ = self._choose(
            z.sum(axis=1) / valid.sum(axis=1, keepdims=True), codes, groups, grid
        )
        self._descend(
            torch.from_numpy(z), torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(valid)
        )
        return self

    def _descend(self, z: Tensor, codes: Tensor, valid: Tensor) -> None:
        n, p, d = z.shape
        head = torch.zeros(len(self.classes_), d, dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(len(self.classes_), dtype=torch.float64, requires_grad=True)
        pooling = self._start(p, d).requires_grad_()
        count = 0

        def run(parameters: list[Tensor], steps: int) -> None:
            nonlocal count
            optimiser = torch.optim.LBFGS(
                parameters,
                max_iter=steps,
                tolerance_grad=1e-6,
                tolerance_change=1e-10,
                line_search_fn="strong_wolfe",
            )

            def closure() -> Tensor:
                nonlocal count
                count += 1
                optimiser.zero_grad()
                h = torch.einsum("np,npd->nd", self._weights(z, pooling, valid), z)
                loss = F.cross_entropy(h @ head.T + bias, codes) + (head**2).sum() / (
                    2 * self.C_ * n
                )
                loss = loss + self.decay * (pooling**2).sum() / 2
                loss.backward()
                return loss

            optimiser.step(closure)  # type: ignore[no-untyped-call]

        run([head, bias], max(5, self.max_iter // 4))
        if p > 1:
            run([head, bias, pooling], self.max_iter)
        self.coef_, self.intercept_ = head.detach().numpy().copy(), bias.detach().numpy().copy()
        self.pooling_, self.n_iter_ = pooling.detach().numpy().copy(), count

    def _choose(self, x: np.ndarray, codes: np.ndarray, groups: Any, grid: np.ndarray) -> float:
        if len(grid) == 1:
            return float(grid[0])
        rng = np.random.default_rng(self.random_state)
        if groups is None:
            folds = stratified_folds(codes, min(self.folds, len(codes)), rng=rng)
        else:
            known = group_codes(to_numpy(groups), len(codes))
            folds = group_folds(known, max(2, min(self.folds, int(known.max()) + 1)), rng=rng)
        basis, y = (
            ridge.Rows(x).basis(),
            logistic.one_hot(codes.reshape(-1, 1).astype(np.int64), len(self.classes_)),
        )
        inner = logistic.fold_numbers(len(codes), [held for _, held in folds])
        losses, _ = logistic.choose(basis.z, basis.w, y, 1.0 / grid, inner)
        return float(grid[losses[:, 0].argmin()])

    def _rows(
        self, X: Any, y: Any = None, *, fitting: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        given, labels = to_numpy(X), to_numpy(y)
        kinds: dict[str, Any] = {"dtype": [np.float64, np.float32]}
        if getattr(given, "ndim", 2) != 3:
            if not fitting:
                return validate_data(self, given, reset=False, **kinds).astype(np.float64)[
                    :, None
                ], np.empty(0)
            found, labels = validate_data(self, given, labels, ensure_min_samples=2, **kinds)
            return found.astype(np.float64)[:, None], labels
        flat = validate_data(self, given.reshape(-1, given.shape[2]), reset=fitting, **kinds)
        if fitting and len(labels) != len(given):
            raise ValueError(
                f"{type(self).__name__}: {len(given)} rows and {len(labels)} labels do not go "
                "together"
            )
        return flat.astype(np.float64).reshape(given.shape), np.asarray(
            labels
        ) if fitting else np.empty(0)

    def _valid(self, rows: np.ndarray, lengths: Any) -> Bool[np.ndarray, "n p"]:
        n, p, _ = rows.shape
        if lengths is None:
            return np.ones((n, p), dtype=bool)
        counts = np.asarray(to_numpy(lengths))
        if counts.shape != (n,) or counts.min() < 1 or counts.max() > p:
            raise ValueError(f"{type(self).__name__}: lengths must be {n} numbers from 1 to {p}")
        return np.arange(p) < counts[:, None]

    def _moments(self, rows: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        axes = (0,) if self._apart else (0, 1)
        weight = valid[:, :, None].astype(np.float64)
        total = weight.sum(axis=axes, keepdims=True)[0]
        mean = (rows * weight).sum(axis=axes, keepdims=True)[0] / total
        square = (((rows - mean) * weight) ** 2).sum(axis=axes, keepdims=True)[0] / total
        scale = np.sqrt(square.mean(axis=1, keepdims=True))
        return mean, np.where(scale > 1e-12, scale, 1.0)

    def _pooled(self, X: Any, lengths: Any) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self)
        rows, _ = self._rows(X)
        valid = self._valid(rows, lengths)
        z = np.where(valid[:, :, None], (rows - self.mean_) / self.scale_, 0.0)
        with torch.no_grad():
            a = self._weights(
                torch.from_numpy(z), torch.from_numpy(self.pooling_), torch.from_numpy(valid)
            ).numpy()
        return a, np.einsum("np,npd->nd", a, z)

    def weights(self, X: Any, lengths: Any = None) -> Any:
        """Weights of the vectors of each row, (n, p)."""
        return like(self._pooled(X, lengths)[0], X)

    def decision_function(self, X: Any, lengths: Any = None) -> Any:
        """Logits (n, k), or the difference of the two, (n,)."""
        logits = self._pooled(X, lengths)[1] @ self.coef_.T + self.intercept_
        return like(logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits, X)

    def predict_proba(self, X: Any, lengths: Any = None) -> Any:
        """Probabilities of the classes, (n, k)."""
        logits = torch.from_numpy(self._pooled(X, lengths)[1] @ self.coef_.T + self.intercept_)
        return like(logits.softmax(dim=1).numpy(), X)

    def predict(self, X: Any, lengths: Any = None) -> Any:
        """Predicted labels, (n,): a tensor if X is one and the labels are numbers."""
        logits = self._pooled(X, lengths)[1] @ self.coef_.T + self.intercept_
        labels = self.classes_[logits.argmax(axis=1)]
        return like(labels, X) if labels.dtype.kind in "iufb" else labels
