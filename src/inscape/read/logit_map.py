"""The linear map between a model's logits for two questions about the same subject.

    y₂ ≈ y₁ W + b,   y₁ (n, k₁) logits of one question's answers ("lives in the city of"), y₂ (n, k₂) of the other's

fitted by least squares, or ridge, over many subjects. It is scored where it was not fitted, by
Pearson's r of each output answer over held-out subjects; and it is read: does the row of an answer
(Paris) peak at the answer it implies (France)? Logits carry a part that all answers share; W is
compared over rows after centring each column, so that an output that every row favours counts for
none.

Cost: k₁³ + n k₁ (k₁ + k₂); float64.
Reference: Peng et al. (2025), Linear correlation in LM's compositional generalization and
hallucination, arXiv:2502.04520, §3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from inscape.core import ridge
from inscape.core.item_rows import row_mask


@dataclass(frozen=True, eq=False)
class LogitMap:
    """A fitted map.

    Attributes:
        weight: W, (k1, k2).
        bias: b, (k2,).
    """

    weight: Float[np.ndarray, "k1 k2"]
    bias: Float[np.ndarray, " k2"]

    def __call__(self, y: Float[np.ndarray, "n k1"]) -> Float[np.ndarray, "n k2"]:
        """Predicted logits of the second question."""
        return y.astype(np.float64) @ self.weight + self.bias

    def precise(self, pairs: Int[np.ndarray, "m 2"], k: int = 1) -> Bool[np.ndarray, " m"]:
        """Whether the row of each pair's first answer has its second answer among its k largest
        columns.

        Args:
            pairs: indices of answers that go together.
            k: how many columns count.

        Raises:
            ValueError: k of none.
        """
        if k < 1:
            raise ValueError(f"LogitMap.precise: k must be at least 1, got {k}")
        centred = self.weight - self.weight.mean(axis=0)
        own = centred[pairs[:, 0], pairs[:, 1]]
        return (centred[pairs[:, 0]] > own[:, None]).sum(axis=1) < k


def fit_logit_map(
    y1: Float[np.ndarray, "n k1"],
    y2: Float[np.ndarray, "n k2"],
    alphas: tuple[float, ...] | None = None,
) -> LogitMap:
    """Fit by least squares, or with `alphas` by ridge with one penalty chosen by leave-one-out.

    Args:
        y1: logits of the first question.
        y2: logits of the second, same subjects.
        alphas: grid of penalties, or None.

    Raises:
        ValueError: fewer subjects than least squares has unknowns.

    Example:
        >>> y = np.random.default_rng(0).normal(size=(20, 2))
        >>> fit_logit_map(y, y @ np.array([[1.0], [2.0]])).weight.round(6).tolist()
        [[1.0], [2.0]]
    """
    n, k = y1.shape
    if alphas is None and n <= k + 1:
        raise ValueError(
            f"fit_logit_map: {n} subjects cannot fix {k + 1} coefficients; give more, or penalties "
            "(alphas)"
        )
    basis = ridge.Rows(y1.astype(np.float64)).basis()
    y2 = y2.astype(np.float64)
    if alphas is None:
        mean = y2.mean(axis=0)
        coef = (basis.z.T @ (y2 - mean)) / basis.w[:, None]
    else:
        found = ridge.fit(basis, y2, alphas, shared=True)
        coef, mean = found.coef, found.mean
    weight = basis.v @ coef
    return LogitMap(weight, mean - basis.mean @ weight)


def held_out_r(
    y1: Float[np.ndarray, "n k1"], y2: Float[np.ndarray, "n k2"], train: Shaped[np.ndarray, " _"]
) -> float:
    """Pearson's r of the second question's answers on subjects that the ridge map was not fitted
    on, the mean over answers.

    Args:
        y1: logits of the first question.
        y2: logits of the second, same subjects.
        train: the subjects that the map is fitted on.

    Raises:
        ValueError: no True or False for each subject, or fewer than two of either.
    """
    train = row_mask(train, len(y1), "held_out_r: train")
    if min(train.sum(), (~train).sum()) < 2:
        raise ValueError(
            f"held_out_r: {train.sum()} subjects to fit on and {(~train).sum()} held out; give two of "
            "either at least"
        )
    fitted = fit_logit_map(y1[train], y2[train], ridge.ALPHAS)
    return float(column_pearson(y2[~train], fitted(y1[~train])).mean())


def column_pearson(
    y: Float[np.ndarray, "n k"], predicted: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, " k"]:
    """Pearson's r of each column over rows; zero where either never varies, NaN where one holds
    NaN.

    Example:
        >>> y, predicted = np.array([[1.0, 5.0], [2.0, 5.0]]), np.array([[3.0, 1.0], [9.0, 2.0]])
        >>> column_pearson(y, predicted).round(9).tolist()
        [1.0, 0.0]
    """
    a, b = (x - x.mean(axis=0) for x in (y.astype(np.float64), predicted.astype(np.float64)))
    both = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.divide((a * b).sum(axis=0), both, out=np.zeros(y.shape[1]), where=~(both <= 0))


def without_first_component(
    y: Float[np.ndarray, "n k"], train: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, "n k"]:
    """Rows less the training mean and what lies along the first principal component of the training
    rows."""
    centred = y.astype(np.float64) - y[train].mean(axis=0)
    v = np.linalg.svd(centred[train], full_matrices=False)[2][0]
    return centred - np.outer(centred @ v, v)
