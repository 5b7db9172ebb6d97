"""A linear map of a representation, fitted to judgements of the kind "b is more like a than c is".

    minimise over W   mean over triplets log(1 + exp(d(Wa, Wb) − d(Wa, Wc)))  +  λ ‖W − W₀‖² / D        d: squared distance

The map begins as W₀, the identity over the root-mean-square distance of two items, and is held near
it, so that what no judgement speaks of stays as it is. Judgements come from distances between the
items it is fitted on.

Cost: O(triplets · D²) for each of the steps.
Reference: Attarian et al. (2020), Transforming neural network visual representations to predict
human judgments of similarity, arXiv:2010.06512; Muttenthaler et al. (2023), arXiv:2306.04507, for
the penalty.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch.nn import functional as F

from inscape.core.pair_matrices import checked_pairs


class TripletMap(TransformerMixin, BaseEstimator):
    """A linear map fitted to triplets.

    Args:
        triplets: how many are drawn.
        penalty: λ.
        steps: of full gradients.
        rate: of Adam.
        random_state: seed of the triplets.

    Attributes:
        matrix_: W, (D, D).
        agreement_: share of the triplets that hold in the mapped representation.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(60, 2)) * [1, 9]          # the first feature counts, the second is loud
        >>> apart = abs(x[:, :1] - x[:, 0])
        >>> bool(TripletMap(penalty=0.0).fit(x, apart).agreement_ > 0.95)
        True
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(
        self,
        triplets: int = 5000,
        *,
        penalty: float = 1e-3,
        steps: int = 300,
        rate: float = 0.02,
        random_state: Any = 0,
    ) -> None:
        self.triplets = triplets
        self.penalty = penalty
        self.steps = steps
        self.rate = rate
        self.random_state = random_state

    def fit(self, X: Any, distances: Any) -> TripletMap:
        """Fit.

        Args:
            X: the representation of the items that were judged, (n, D).
            distances: between them, (n, n).

        Raises:
            ValueError: fewer than three items, distances of other items or that are not symmetric or
                not finite, or items that are all the same.
        """
        x = validate_data(self, X, dtype=np.float64, ensure_min_samples=3)
        apart = np.asarray(distances, dtype=np.float64)
        if apart.shape != (len(x), len(x)):
            raise ValueError(
                f"TripletMap: distances have shape {apart.shape}; give those between the {len(x)} "
                "items"
            )
        apart = checked_pairs(apart, "TripletMap: the matrix of distances")
        spread = float(np.sqrt(2 * x.var(axis=0).sum()))
        if not spread > 0:
            raise ValueError("TripletMap: all items are the same, so no map tells them apart")
        rng = np.random.default_rng(self.random_state)
        a, b, c = np.argsort(rng.random((self.triplets, len(x))), axis=1)[:, :3].T
        near = np.where(apart[a, b] <= apart[a, c], b, c)
        a, near, far = (torch.from_numpy(i.copy()) for i in (a, near, b + c - near))
        items = torch.from_numpy(x)
        start = torch.eye(x.shape[1], dtype=torch.float64) / spread
        matrix = start.clone().requires_grad_()
        optimiser = torch.optim.Adam([matrix], lr=self.rate / spread)

        def margin() -> torch.Tensor:
            placed = items @ matrix.T
            gaps = ((placed[a] - placed[i]).square().sum(dim=1) for i in (far, near))
            return torch.sub(*gaps)

        for _ in range(self.steps):
            optimiser.zero_grad()
            held = (matrix - start).square().sum() * spread**2 / x.shape[1]
            (F.softplus(-margin()).mean() + self.penalty * held).backward()
            optimiser.step()
        self.matrix_ = matrix.detach().numpy()
        with torch.no_grad():
            self.agreement_ = float((margin() > 0).double().mean())
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Map items, (n, D) to (n, D)."""
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=False) @ self.matrix_.T
