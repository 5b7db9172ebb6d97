"""A convolutional encoder of pictures whose representation keeps its grid, with a projector that
works cell by cell.

    picture → convolutions of stride 2, one more of stride 1, each with a rectifier → representation (n, width, h / 4, w / 4)
    representation → 1 × 1 convolution, batch norm, rectifier, 1 × 1 convolution → embedding

Cost: that of the convolutions, a million multiplications a picture of 24 × 24.
Reference: Wang et al. (2021), DenseCL, arXiv:2011.09157, section 3.2, for the projector of cells.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class DenseEmbedding(nn.Module):
    """Encoder and projector.

    Args:
        channels: of the pictures.
        width: of the representation.
        embedding: of the embedding.

    Example:
        >>> import torch
        >>> DenseEmbedding(3)(torch.zeros(2, 3, 24, 24)).shape
        torch.Size([2, 16, 6, 6])
    """

    def __init__(self, channels: int, width: int = 32, embedding: int = 16) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, width // 2, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.projector = nn.Sequential(
            nn.Conv2d(width, width, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, embedding, 1),
        )

    def forward(self, x: Float[Tensor, "n channels h w"]) -> Float[Tensor, "n embedding _ _"]:
        """Embeddings of cells; ``encoder`` alone gives representations."""
        return self.projector(self.encoder(x))
