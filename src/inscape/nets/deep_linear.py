"""A deep linear encoder with a linear predictor, begun balanced: the toy of which the dynamics of
learning are known.

    encoder W = W_L ⋯ W_1,   predictor V              begun at W_a = s R_a R_{a−1}ᵀ,   s = scale^{1/L}

with orthogonal R_a and R_0 the identity, so that every singular value of the encoder begins at
`scale` and W_{a+1}ᵀ W_{a+1} = W_a W_aᵀ (balanced). The predictor begins at s I where it predicts
representations and at s R_Lᵀ where it predicts data. Several networks stand side by side in one
module: their losses are added, and none sees another.

Cost: that of L + 1 products of small matrices.
Reference: Saxe, McClelland and Ganguli (2014), Exact solutions to the nonlinear dynamics of
learning in deep linear neural networks, arXiv:1312.6120; Littwin et al. (2024), arXiv:2407.03475.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn


class DeepLinear(nn.Module):
    """Networks of one shape, in float64.

    Args:
        depth: L, layers of the encoder.
        width: d, of the input and of every layer.
        scale: singular values of the encoder before training, above 0.
        networks: how many stand side by side.
        latent: whether the predictor gives representations; otherwise it gives data.
        skew: the first layer is multiplied and the last divided by it; another than 1 is no longer
            balanced.
        rng: of the orthogonal matrices.

    Raises:
        ValueError: no layer, a scale or skew that is not above 0, or a skew of one layer.

    Example:
        >>> net = DeepLinear(3, 4, 0.01, rng=np.random.default_rng(0))
        >>> torch.linalg.svdvals(net.encoder()).round(decimals=6).tolist()
        [[0.01, 0.01, 0.01, 0.01]]
    """

    def __init__(
        self,
        depth: int,
        width: int,
        scale: float = 0.01,
        networks: int = 1,
        *,
        latent: bool = True,
        skew: float = 1.0,
        rng: np.random.Generator,
    ) -> None:
        super().__init__()
        if depth < 1 or scale <= 0 or skew <= 0 or (depth == 1 and skew != 1):
            raise ValueError(
                "DeepLinear: needs at least one layer, a scale and a skew above 0, and two layers "
                f"for a skew; got depth {depth}, scale {scale}, skew {skew}"
            )
        turns, _ = np.linalg.qr(rng.normal(size=(depth, networks, width, width)))
        after = torch.from_numpy(turns)
        eye = torch.eye(width, dtype=torch.float64).expand(networks, width, width)
        before, each = torch.cat([eye[None], after[:-1]]), scale ** (1 / depth)
        layers = list(each * after @ before.mT)
        layers[0], layers[-1] = layers[0] * skew, layers[-1] / skew
        self.layers = nn.ParameterList(layers)
        self.predictor = nn.Parameter(each * (eye if latent else after[-1].mT).clone())

    def encoder(self) -> Float64[Tensor, "networks d d"]:
        """W, the product of the layers."""
        product = self.layers[0]
        for layer in list(self.layers)[1:]:
            product = layer @ product
        return product
