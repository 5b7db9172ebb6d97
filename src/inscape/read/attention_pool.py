"""Attention-pooling probe: where in the text is it, and can it be read from there?

    a_ip = softmax_p (q·x̃_ip / √d)        h_i = Σ_p a_ip x̃_ip        logits = W h + b

One query looks over the positions of each example and a linear head reads what it finds, so the
position need not be chosen beforehand; where q stays zero it is the mean over positions. The query
is one direction: what can only be found by comparing tokens is still not found. Cost n p d for each
iteration.

Reference: Lee et al. (2019), Set transformer, arXiv:1810.00825, §3.2 (pooling by attention with a
learned query).
"""

from __future__ import annotations

from typing import Any, no_type_check

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inscape.read.pooled import PooledProbe


class AttentionProbe(PooledProbe):
    """Linear classifier on attention-pooled positions.

    Args:
        Cs: grid of inverse penalties of the head; one value skips the inner choice.
        decay: weight of ‖q‖²/2: how far from uniform the attention may go.
        folds: inner folds.
        max_iter: L-BFGS iterations at most.
        random_state: seed of the inner folds.

    Attributes:
        pooling_: the query q, (d,).
        classes_, coef_, intercept_, mean_, scale_, C_, n_features_in_, n_iter_: as in
            `PooledProbe`.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(200, 6, 4))
        >>> y = x[:, 2, 0] > 0
        >>> x[:, 2, 1] = 6.0  # what marks the position that counts
        >>> bool(AttentionProbe((1.0,), max_iter=50).fit(x, y).score(x, y) > 0.95)
        True
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(
        self,
        Cs: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0),
        *,
        decay: float = 1e-4,
        folds: int = 3,
        max_iter: int = 200,
        random_state: Any = 0,
    ) -> None:
        self.Cs = Cs
        self.decay = decay
        self.folds = folds
        self.max_iter = max_iter
        self.random_state = random_state

    def _start(self, p: int, d: int) -> Tensor:
        return torch.zeros(d, dtype=torch.float64)

    def _weights(
        self, x: Float[Tensor, "n p d"], pooling: Tensor, valid: Bool[Tensor, "n p"]
    ) -> Float[Tensor, "n p"]:
        scores = x @ pooling / x.shape[2] ** 0.5
        return scores.masked_fill(~valid, -torch.inf).softmax(dim=1)
