"""Mixup: batches of mixed inputs with mixed labels.

    λ ~ Beta(α, α)        x' = λ x_i + (1 − λ) x_j        y' = λ y_i + (1 − λ) y_j

Cost: O(batch).
Reference: Zhang, Cisse, Dauphin and Lopez-Paz (2018), mixup, arXiv:1710.09412.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def mixup(
    x: Float[Tensor, "n ..."],
    y: Float[Tensor, "n k"],
    *,
    strength: float = 1.0,
    rng: np.random.Generator,
) -> tuple[Float[Tensor, "n ..."], Float[Tensor, "n k"]]:
    """Mix each input of a batch with the one at the mirrored place.

    Args:
        x: inputs.
        y: labels, one-hot or shares.
        strength: α; 1 draws λ evenly from 0 to 1.
        rng: of the shares.

    Raises:
        ValueError: a strength that is not positive, or not a label for each input.

    Example:
        >>> x, y = mixup(torch.tensor([[0.0], [1.0]]), torch.eye(2), rng=np.random.default_rng(0))
        >>> torch.equal(x[:, 0], y[:, 1]), torch.allclose(y.sum(1), torch.ones(2))
        (True, True)
    """
    if not strength > 0 or len(x) != len(y):
        raise ValueError(
            f"mixup: strength must be positive and each input have a label, got {strength}, {len(x)} "
            f"inputs and {len(y)} labels"
        )
    share = torch.from_numpy(rng.beta(strength, strength, len(x))).float()
    wide = share.reshape(-1, *[1] * (x.ndim - 1))
    return wide * x + (1 - wide) * x.flip(0), share[:, None] * y + (1 - share[:, None]) * y.flip(0)
