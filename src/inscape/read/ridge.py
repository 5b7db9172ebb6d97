"""Ridge probe: is a quantity a linear function of the representation?

    ŷ = ȳ + β·(x − x̄),   β = argmin Σ (y − ŷ)² + α‖β‖²

with α chosen for each target from held-out errors inside the training rows, in closed form:
leave-one-out, or with `groups` leave-group-out. Cost: one eigendecomposition (min(n, d)³) for all
targets and penalties.

Reference: Alain and Bengio (2016), arXiv:1610.01644; Gurnee and Tegmark (2023), arXiv:2310.02207,
for its use.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from jaxtyping import Float
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from inscape.core import ridge
from inscape.core.arrays import like, to_numpy
from inscape.core.folds import group_codes, group_folds
from inscape.read.direction import LinearDirections


class RidgeProbe(MultiOutputMixin, RegressorMixin, LinearDirections):
    """Linear probe of one or several quantities.

    Args:
        alphas: grid of penalties, positive.
        scale: multiply the penalties by the mean squared deviation of a feature, so that the probe
            does not depend on the unit of the representation; False for scikit-learn's meaning of
            alpha.
        per_target: choose a penalty for each target, else one for all.
        folds: inner folds when `fit` is given groups.
        random_state: seed of the inner group folds.

    Attributes:
        coef_: (d,) or (targets, d), in the unit of y per unit of x.
        intercept_: float or (targets,).
        alpha_: chosen penalty as it enters the formula, float or (targets,).
        inner_score_: inner held-out R² at the chosen penalty, float or (targets,).
        n_features_in_: d.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(200, 5))
        >>> probe = RidgeProbe().fit(x, 2 * x[:, 0] + 1)
        >>> probe.direction_.round(2).tolist()[0]
        1.0
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(
        self,
        alphas: tuple[float, ...] = ridge.ALPHAS,
        *,
        scale: bool = True,
        per_target: bool = True,
        folds: int = 5,
        random_state: Any = 0,
    ) -> None:
        self.alphas = alphas
        self.scale = scale
        self.per_target = per_target
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> RidgeProbe:
        """Fit.

        Args:
            X: representations, (n, d), n ≥ 2.
            y: quantities, (n,) or (n, targets).
            groups: one group per row: penalties are then chosen with whole groups held out.

        Returns:
            The probe.

        Raises:
            ValueError: NaN, wrong shapes, fewer than two rows, a penalty that is not positive.
            DataError: groups that cannot be held out (one group only, a missing one).
        """
        X, y = validate_data(
            self,
            to_numpy(X),
            to_numpy(y),
            multi_output=True,
            y_numeric=True,
            dtype=[np.float64, np.float32],
            ensure_min_samples=2,
        )
        targets = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
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
        found = ridge.fit(
            basis, targets, self.alphas, inner=inner, scale=self.scale, shared=not self.per_target
        )
        coef = (basis.v @ found.coef).T
        intercept = found.mean - coef @ basis.mean
        one = y.ndim == 1
        self.coef_ = coef[0] if one else coef
        self.intercept_ = float(intercept[0]) if one else intercept
        self.alpha_ = float(found.alpha[0]) if one else found.alpha
        self.inner_score_ = float(found.inner[0]) if one else found.inner
        return self

    def predict(self, X: Any) -> Any:
        """Predicted quantities, (n,) or (n, targets), of the kind X is."""
        check_is_fitted(self)
        rows: Float[np.ndarray, "n d"] = validate_data(
            self, to_numpy(X), reset=False, dtype=[np.float64, np.float32]
        )
        return like(rows @ self.coef_.T + self.intercept_, X)
