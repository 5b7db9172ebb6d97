"""Circular probe: angles, hours, weekdays, months. A quantity that comes round is two numbers, not
one.

    ŷ = P/2π · atan2(β_s·x + b_s, β_c·x + b_c),   (β_c, β_s) ridge on cos and sin of 2πy/P

One penalty for both coordinates, chosen inside. The error of a prediction is the shorter way round.
The score is the mean cosine of it: 1 is perfect, 0 is chance for targets spread evenly, −1 is
opposite.

Reference: Mardia and Jupp (2000), Directional statistics, §2.2 and §9.4.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from jaxtyping import Float, Real
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core import ridge
from inscape.core.arrays import like, to_numpy
from inscape.core.folds import group_codes, group_folds
from inscape.read.direction import LinearDirections


def circular_error(
    predicted: Real[np.ndarray, " n"], true: Real[np.ndarray, " n"], period: int | float
) -> Float[np.ndarray, " n"]:
    """The shorter way round from prediction to truth, 0 to half the period, in the unit of the
    period.

    Raises:
        ValueError: a period that is not positive.

    Example:
        >>> circular_error(np.array([23.0]), np.array([1.0]), 24.0).tolist()
        [2.0]
    """
    if not 0 < period < np.inf:
        raise ValueError(f"circular_error: period must be positive, got {period!r}")
    gap = (
        np.abs(np.asarray(predicted, dtype=np.float64) - np.asarray(true, dtype=np.float64))
        % period
    )
    return np.minimum(gap, period - gap)


class CircularProbe(RegressorMixin, LinearDirections):
    """Linear probe of a quantity on a circle.

    Args:
        period: the circumference, in the unit of y: 24 for hours, 7 for weekdays, 2π for radians.
        alphas: grid of penalties, positive.
        scale: multiply the penalties by the mean squared deviation of a feature.
        folds: inner folds when `fit` is given groups.
        random_state: seed of the inner group folds.

    Attributes:
        coef_: of the cosine and of the sine, (2, d): the plane in which the circle lies.
        intercept_: (2,).
        alpha_: the chosen penalty as it enters the formula.
        n_features_in_: d.

    Example:
        >>> hours = np.arange(24.0)
        >>> x = np.stack([np.cos(hours * np.pi / 12), np.sin(hours * np.pi / 12)], axis=1)
        >>> CircularProbe(24.0).fit(x, hours).predict(x)[[0, 23]].round(1).tolist()
        [0.0, 23.0]
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(
        self,
        period: float = 2 * np.pi,
        *,
        alphas: tuple[float, ...] = ridge.ALPHAS,
        scale: bool = True,
        folds: int = 5,
        random_state: Any = 0,
    ) -> None:
        self.period = period
        self.alphas = alphas
        self.scale = scale
        self.folds = folds
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # a straight quantity is no circle
        return tags

    def fit(self, X: Any, y: Any, groups: Any = None) -> CircularProbe:
        """Fit.

        Args:
            X: representations, (n, d).
            y: the quantity, (n,); values a period apart are the same.
            groups: one group per row: the penalty is then chosen with whole groups held out.

        Raises:
            ValueError: NaN, wrong shapes, a period that is not positive.
        """
        X, y = validate_data(
            self,
            to_numpy(X),
            to_numpy(y),
            y_numeric=True,
            dtype=[np.float64, np.float32],
            ensure_min_samples=2,
        )
        if not self.period > 0:
            raise ValueError(f"CircularProbe: period must be positive, got {self.period!r}")
        angle = 2 * np.pi * np.asarray(y, dtype=np.float64) / self.period
        inner = None
        if groups is not None:
            codes = group_codes(to_numpy(groups), len(X))
            rng = np.random.default_rng(self.random_state)
            inner = [
                test
                for _, test in group_folds(
                    codes, max(2, min(self.folds, int(codes.max()) + 1)), rng=rng
                )
            ]
        basis = ridge.Rows(X).basis()
        pair = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        found = ridge.fit(basis, pair, self.alphas, inner=inner, scale=self.scale, shared=True)
        self.coef_ = (basis.v @ found.coef).T
        self.intercept_ = found.mean - self.coef_ @ basis.mean
        self.alpha_ = float(found.alpha[0])
        return self

    def plane(self, X: Any) -> Any:
        """Where rows lie in the plane of the circle, (n, 2): predicted cosine and sine."""
        check_is_fitted(self)
        rows = validate_data(self, to_numpy(X), reset=False, dtype=[np.float64, np.float32])
        return like(rows @ self.coef_.T + self.intercept_, X)

    def predict(self, X: Any) -> Any:
        """The quantity, (n,), from 0 to the period."""
        plane = to_numpy(self.plane(X))
        return like(
            (np.arctan2(plane[:, 1], plane[:, 0]) % (2 * np.pi)) * self.period / (2 * np.pi), X
        )

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Mean cosine of the error, −1 to 1."""
        error = circular_error(to_numpy(self.predict(X)), np.asarray(to_numpy(y)), self.period)
        return float(np.average(np.cos(2 * np.pi * error / self.period), weights=sample_weight))
