"""Autoencoders that give back an input from a noisy copy of it, for studies of what their latents
hold.

    x̃ = x + σ ε,  ε ~ N(0, I)          loss = mean over a batch of ‖net(x̃) − x‖²

Noise makes the map of encoding and decoding contract around the inputs, so that its iterates come
to rest. A batch is 64 of the inputs, drawn with replacement, with noise of its own.

Reference: Vincent, Larochelle, Bengio and Manzagol (2008), ICML; Alain and Bengio (2014),
arXiv:1211.4246 (what noise makes of the map).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from inscape.learn.gradient import Gradient
from inscape.study.arms import Arm

#: inputs of a batch
BATCH = 64


def denoiser(
    net: Callable[[], nn.Module],
    known: Float[Tensor, "m d"],
    noise: float,
    update: Gradient | None = None,
) -> Arm:
    """An autoencoder that learns to take noise away from certain inputs, few or many.

    Args:
        net: makes it; it takes (n, d) and gives as many numbers.
        known: the inputs.
        noise: σ, in the inputs' units; 0 for an autoencoder without noise.
        update: the learning rule; the default of `inscape.learn.Gradient` where none is given.

    Raises:
        ValueError: no input, or σ below 0.
    """
    if not len(known) or noise < 0:
        raise ValueError(
            f"denoiser: needs inputs and noise of at least 0, got {len(known)} and {noise}"
        )

    def batches(rng: np.random.Generator, k: int) -> tuple[Tensor, Tensor]:
        x = known[rng.choice(len(known), BATCH)]
        return x + noise * torch.from_numpy(rng.normal(size=x.shape)).float(), x

    return Arm(
        net=lambda k: net(),
        batches=batches,
        objective=lambda net, batch: (net(batch[0]) - batch[1]).square().sum(dim=1).mean(),
        update=Gradient() if update is None else update,
    )
