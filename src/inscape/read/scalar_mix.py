"""Scalar mix: one weight a layer, learned with the head. Which layers does a task draw on?

    h = Σ_j softmax(s)_j h̃_j        logits = W h + b

h̃_j is layer j centred and scaled by one number, so that a loud layer is not a heavy one. Beside a
probe of the last layer it has as many more parameters as there are layers. ELMo's factor γ would
only undo the penalty on W here, and is left to the head; in fine-tuning
(`inscape.studies.read.bermo_layer_mix`) it is kept. Cost n L d for each iteration.

Reference: Peters et al. (2018), arXiv:1802.05365, eq. 1; Tenney et al. (2019), arXiv:1905.05950,
for the centre of gravity.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
import torch
from jaxtyping import Bool, Float
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from inscape.read.pooled import PooledProbe


class ScalarMixProbe(PooledProbe):
    """Linear classifier on a learned mean of the layers; X is (n, layers, d).

    Args:
        Cs: grid of inverse penalties of the head; one value skips the inner choice.
        decay: weight of ‖s‖²/2: how far from the uniform mean the mix may go.
        folds: inner folds.
        max_iter: L-BFGS iterations at most.
        random_state: seed of the inner folds.

    Attributes:
        pooling_: s, (layers,).
        classes_, coef_, intercept_, mean_, scale_, C_, n_features_in_, n_iter_: as in
            `PooledProbe`.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(300, 3, 5))
        >>> probe = ScalarMixProbe((1.0,)).fit(x, x[:, 1, 0] > 0)
        >>> int(probe.mix_.argmax())
        1
    """

    _apart = True

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(
        self,
        Cs: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0),
        *,
        decay: float = 1e-3,
        folds: int = 3,
        max_iter: int = 100,
        random_state: Any = 0,
    ) -> None:
        self.Cs = Cs
        self.decay = decay
        self.folds = folds
        self.max_iter = max_iter
        self.random_state = random_state

    def _start(self, p: int, d: int) -> Tensor:
        return torch.zeros(p, dtype=torch.float64)

    def _weights(
        self, x: Float[Tensor, "n p d"], pooling: Tensor, valid: Bool[Tensor, "n p"]
    ) -> Float[Tensor, "n p"]:
        return pooling.masked_fill(~valid, -torch.inf).softmax(dim=1)

    @property
    def mix_(self) -> Float[np.ndarray, " layers"]:
        """Weights of the layers, adding up to one."""
        check_is_fitted(self)
        e = np.exp(self.pooling_ - self.pooling_.max())
        return e / e.sum()

    @property
    def centre_(self) -> float:
        """The mix's centre of gravity, in layers from 0."""
        return float(self.mix_ @ np.arange(len(self.mix_)))
