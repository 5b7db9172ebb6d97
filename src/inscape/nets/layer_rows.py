"""What the layers of a network hold of each picture, as rows that measures of representations take.

A network that gives its layers (`inscape.nets.PlainCNN`, `SmallVit`, `SmallResnet`) keeps places and
channels apart; a measure takes items and features. All places of a picture are its features, or their
mean is, or every place is an item of its own and channels are the features.

Cost: one pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor


@torch.no_grad()
def layer_rows(
    net: Any, x: Float[Tensor, n * rest], *more: Any, readout: bool = False
) -> list[np.ndarray]:
    """Every layer with one row for each input, (n, features).

    Args:
        net: its ``layers`` takes `x` and gives what each layer ends with, (n, …).
        x: the inputs.
        more: further arguments of ``layers``.
        readout: go on with what a convolutional network makes of its last layer: the mean over
            positions, and the outputs.

    Example:
        >>> from inscape.nets.plain_cnn import PlainCNN
        >>> net, x = PlainCNN(1, 10, width=4), torch.zeros(2, 1, 18, 18)
        >>> layer_rows(net, x)[-1].shape, layer_rows(net, x, readout=True)[-1].shape
        ((2, 144), (2, 10))
    """
    states = net.layers(x, *more)
    if readout:
        states = [*states, states[-1].mean(dim=(2, 3)), net(x, *more)]
    return [h.flatten(1).double().numpy() for h in states]


@torch.no_grad()
def place_rows(net: Any, x: Float[Tensor, "n c h w"]) -> list[Float64[np.ndarray, "_ channels"]]:
    """Every layer of a convolutional network with one row for each input and place.

    Args:
        net: its ``layers`` gives (n, channels, height, width) each.
        x: the inputs.

    Example:
        >>> from inscape.nets.plain_cnn import PlainCNN
        >>> place_rows(PlainCNN(1, 10, width=4), torch.zeros(2, 1, 18, 18))[-1].shape
        (18, 16)
    """
    return [h.movedim(1, -1).flatten(0, -2).double().numpy() for h in net.layers(x)]


@torch.no_grad()
def pooled_rows(net: Any, x: Float[Tensor, "n c h w"]) -> list[Float64[np.ndarray, "n channels"]]:
    """Every layer of a convolutional network as its mean over places, one row for each input.

    Args:
        net: its ``layers`` gives (n, channels, height, width) each.
        x: the inputs.

    Example:
        >>> from inscape.nets.plain_cnn import PlainCNN
        >>> pooled_rows(PlainCNN(1, 10, width=4), torch.zeros(2, 1, 18, 18))[-1].shape
        (2, 16)
    """
    return [h.mean(dim=(2, 3)).double().numpy() for h in net.layers(x)]
