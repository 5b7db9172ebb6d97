"""k-sparse probe: how much can be read from the best k coordinates alone?

    rank the coordinates on the training rows, keep the first k, fit logistic regression on them

At k = 1 it finds single neurons that stand for a feature; the curve over k says how many a feature
is spread over. Ranking and fit both see training rows only. `sparse_path` fits every k of one
ranking at once (`inscape.core.nested`). Classes are weighed alike, so that balanced accuracy is
what is optimised.

Cost: the ranking, then n k² for each doubling of k.
Reference: Gurnee et al. (2023), Finding neurons in a haystack: case studies with sparse probing,
arXiv:2305.01610.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core import nested
from inscape.core.arrays import like, to_numpy
from inscape.read.direction import LinearDirections
from inscape.read.rank import rank


class SparsePath(NamedTuple):
    """Probes of every size along one ranking, in the unit of the representation.

    Attributes:
        sizes: how many coordinates each uses.
        order: the coordinates, best first, (m,).
        coef: coefficients of those coordinates, zero beyond the size, (sizes, m).
        intercept: (sizes,).
        gradient: size of each fit's last preconditioned gradient per row, (sizes,).
    """

    sizes: tuple[int, ...]
    order: Int[np.ndarray, " m"]
    coef: Float[np.ndarray, "s m"]
    intercept: Float[np.ndarray, " s"]
    gradient: Float[np.ndarray, " s"]

    def logits(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n s"]:
        """Decision values of rows, for every size."""
        return x[:, self.order] @ self.coef.T + self.intercept


def sparse_path(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    sizes: Sequence[int],
    *,
    ranking: str = "mean difference",
    C: float | int = 1.0,
    balanced: bool = True,
    tol: float = 1e-6,
    rng: np.random.Generator | None = None,
) -> SparsePath:
    """Fit every size of one ranking.

    Args:
        x: training rows.
        y: labels, 0 or 1, both present.
        sizes: how many coordinates; those above d are taken as d.
        ranking: as `inscape.read.rank.rank` has it.
        C: inverse penalty for coordinates of unit deviation.
        balanced: weigh rows so that both classes count alike.
        tol: preconditioned gradient per row at which a fit is done.
        rng: of a random ranking.

    Returns:
        The path.

    Raises:
        ValueError: no size or one below 1, a C that is not positive, or as `rank`.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(300, 20))
        >>> path = sparse_path(x, (x[:, 4] + x[:, 7] > 0).astype(int), (1, 2))
        >>> sorted(path.order.tolist())
        [4, 7]
    """
    sizes = sorted({min(int(k), x.shape[1]) for k in sizes})
    if min(sizes, default=0) < 1 or not C > 0:
        raise ValueError(
            f"sparse_path: needs sizes of at least 1 and a positive C, got {sizes} and {C}"
        )
    order = rank(x, y, max(sizes), ranking, rng=rng)
    chosen = x[:, order].astype(np.float64)
    mean, spread = chosen.mean(axis=0), chosen.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    weight = class_weights(y[None], balanced)
    found = nested.fit(
        ((chosen - mean) / spread)[None],
        y[None].astype(np.float64),
        sizes,
        1.0 / C,
        weight=weight,
        tol=tol,
    )
    coef = found.coef[0] / spread
    return SparsePath(found.sizes, order, coef, found.intercept[0] - coef @ mean, found.gradient[0])


def class_weights(y: Int[np.ndarray, "p n"], balanced: bool = True) -> Float[np.ndarray, "p n"]:
    """Weights of rows that give both classes half of the total, which stays n; ones if not
    balanced.

    Args:
        y: labels, 0 or 1, a row for each label set.
        balanced: False for ones.

    Raises:
        ValueError: a row of one class only, or labels other than 0 and 1.
    """
    if not balanced:
        return np.ones(y.shape)
    up = y.mean(axis=1, keepdims=True)
    if not np.isin(y, (0, 1)).all() or not ((up > 0) & (up < 1)).all():
        raise ValueError("class_weights: each row of y must hold both 0 and 1, and nothing else")
    return np.where(y == 1, 0.5 / up, 0.5 / (1 - up))


class SparseProbe(ClassifierMixin, LinearDirections):
    """Linear probe of two classes on the best k coordinates.

    Args:
        k: how many; all where there are fewer.
        ranking: how they are chosen, on the rows of `fit`: ``"mean difference"``,
            ``"mutual information"``, ``"lasso"``, ``"adaptive"`` or ``"random"``.
        C: inverse penalty for coordinates of unit deviation.
        balanced: weigh rows so that both classes count alike.
        random_state: seed of a random ranking.

    Attributes:
        classes_: the two labels, sorted; scores point to the second.
        coordinates_: the coordinates chosen, best first, (k,).
        coef_: zero but there, (1, d).
        intercept_: (1,).
        n_features_in_: d.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(200, 30))
        >>> SparseProbe(k=1).fit(x, np.where(x[:, 11] > 0, "yes", "no")).coordinates_.tolist()
        [11]
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(
        self,
        k: int = 1,
        *,
        ranking: str = "mean difference",
        C: float = 1.0,
        balanced: bool = True,
        random_state: Any = 0,
    ) -> None:
        self.k = k
        self.ranking = ranking
        self.C = C
        self.balanced = balanced
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None) -> SparseProbe:
        """Choose coordinates and fit; `groups` is taken for the sake of one signature.

        Raises:
            ValueError: not two classes, NaN, wrong shapes, k below 1, a C that is not positive, an
                unknown ranking.
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
                f"SparseProbe: y holds one class ({self.classes_[0]!r}); a probe needs two classes"
            )
        if self.k < 1 or not self.C > 0:
            raise ValueError(
                f"SparseProbe: k must be at least 1 and C positive, got k={self.k!r}, C={self.C!r}"
            )
        path = sparse_path(
            X,
            codes,
            (self.k,),
            ranking=self.ranking,
            C=self.C,
            balanced=self.balanced,
            rng=np.random.default_rng(self.random_state),
        )
        self.coordinates_ = path.order
        self.coef_ = np.zeros((1, X.shape[1]))
        self.coef_[0, path.order] = path.coef[0]
        self.intercept_ = path.intercept
        return self

    def decision_function(self, X: Any) -> Any:
        """Log-odds of the second class, (n,)."""
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        return like(rows @ self.coef_[0] + self.intercept_[0], X)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the two classes, (n, 2); classes counting alike if balanced."""
        scores = to_numpy(self.decision_function(X))
        return like(np.stack([expit(-scores), expit(scores)], axis=1), X)

    def predict(self, X: Any) -> Any:
        """Predicted labels, (n,): a tensor if X is one and the labels are numbers."""
        scores = to_numpy(self.decision_function(X))
        labels = self.classes_[(scores > 0).astype(int)]
        return like(labels, X) if labels.dtype.kind in "iufb" else labels
