"""A small residual network of convolutions, whose blocks can be looked at.

    convolution → blocks: rectifier(x + conv rectifier conv x), with batch norms → mean over positions → classes
    width doubles and the side halves after the third and the sixth block

Cost: O(positions · width²) a block.
Reference: He et al. (2016), arXiv:1512.03385.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        shrinks = before != after
        self.skip = nn.Conv2d(before, after, 1, stride, bias=False) if shrinks else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.skip(x) + self.branch(x))


class SmallResnet(nn.Module):
    """The network.

    Args:
        channels: of the pictures.
        classes: outputs.
        width: of the first blocks.
        blocks: number of blocks.

    Example:
        >>> net = SmallResnet(3, 10, width=4)
        >>> [tuple(h.shape[1:]) for h in net.layers(torch.zeros(1, 3, 24, 24))][::3]
        [(4, 24, 24), (8, 12, 12), (16, 6, 6)]
    """

    def __init__(self, channels: int, classes: int, width: int = 16, blocks: int = 8) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        widths = [width, *(width * 2 ** (i // 3) for i in range(blocks))]
        self.blocks = nn.ModuleList([_Block(a, b, 1 if a == b else 2) for a, b in pairwise(widths)])
        self.head = nn.Linear(widths[-1], classes)

    def layers(self, x: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n _ _ _"]]:
        """What every block ends with."""
        x, out = self.first(x), []
        for block in self.blocks:
            x = block(x)
            out.append(x)
        return out

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Scores of the classes."""
        return self.head(self.layers(x)[-1].mean(dim=(2, 3)))
