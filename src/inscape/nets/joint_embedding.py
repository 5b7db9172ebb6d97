"""A small picture encoder with a projector, as self-supervised learning of two views trains it, or
with any other head.

    picture → convolutions of stride 2, each with a rectifier → linear, rectifier → representation
    representation → linear, batch norm, rectifier, linear → embedding

The objective sees embeddings; what is used afterwards are representations.

Cost: that of the convolutions, some million multiplications a picture of 18 × 18.
Reference: Chen, Kornblith, Norouzi and Hinton (2020), SimCLR, arXiv:2002.05709, section 4.2, for
representations before the projector.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn


def projector(d_in: int, hidden: int, d_out: int) -> nn.Sequential:
    """Linear, batch norm, rectifier, linear: a projector, or a predictor of embeddings."""
    layers = (nn.Linear(d_in, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, d_out))
    return nn.Sequential(*layers)


def picture_encoder(
    channels: int, side: int, width: int = 64, convolutions: Sequence[int] = (16, 32)
) -> nn.Sequential:
    """Convolutions of stride 2, each with a rectifier, then linear and rectifier.

    Args:
        channels: of the pictures.
        side: pixels along a side.
        width: of the representation.
        convolutions: channels of each convolution; each halves the side.

    Example:
        >>> import torch
        >>> picture_encoder(3, 18, width=5)(torch.zeros(2, 3, 18, 18)).shape
        torch.Size([2, 5])
    """
    layers: list[nn.Module] = []
    for made in convolutions:
        layers += [nn.Conv2d(channels, made, 3, stride=2, padding=1), nn.ReLU()]
        channels, side = made, (side + 1) // 2
    layers += [nn.Flatten(), nn.Linear(channels * side**2, width), nn.ReLU()]
    return nn.Sequential(*layers)


def picture_network(
    channels: int,
    side: int,
    head: nn.Module,
    width: int = 64,
    convolutions: Sequence[int] = (16, 32),
) -> nn.Sequential:
    """A picture encoder and a head on its representations, a classifier or a projector.

    Args:
        channels: of the pictures.
        side: pixels along a side.
        head: takes representations, (n, width).
        width: of the representation.
        convolutions: as in `picture_encoder`.

    Returns:
        The network; its attribute ``encoder`` gives representations, ``head`` is the head.

    Example:
        >>> import torch
        >>> net = picture_network(3, 18, nn.Linear(5, 10), width=5)
        >>> net(torch.zeros(2, 3, 18, 18)).shape, net.encoder(torch.zeros(2, 3, 18, 18)).shape
        (torch.Size([2, 10]), torch.Size([2, 5]))
    """
    encoder = picture_encoder(channels, side, width, convolutions)
    return nn.Sequential(OrderedDict(encoder=encoder, head=head))


class JointEmbedding(nn.Module):
    """Encoder and projector.

    Args:
        channels: of the pictures.
        side: pixels along a side.
        width: of the representation.
        embedding: of the embedding.
        convolutions: channels of each convolution; each halves the side.
    """

    def __init__(
        self,
        channels: int,
        side: int,
        width: int = 64,
        embedding: int = 32,
        convolutions: Sequence[int] = (16, 32),
    ) -> None:
        super().__init__()
        self.encoder = picture_encoder(channels, side, width, convolutions)
        self.projector = projector(width, width, embedding)

    def forward(self, x: Float[Tensor, "n channels side side"]) -> Float[Tensor, "n embedding"]:
        """Embeddings of pictures; ``encoder`` alone gives representations."""
        return self.projector(self.encoder(x))
