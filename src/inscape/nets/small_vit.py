"""A small vision transformer whose blocks can be looked at, and run without one of their skips.

    picture → patches → linear + position → blocks: x + mix(norm x), x + mlp(norm x) → norm → classes
    pooled from a class token, or as the mean over patches

Cost: O(blocks · patches² · width).
Reference: Dosovitskiy et al. (2021), arXiv:2010.11929; Raghu et al. (2021), arXiv:2108.08810, for
skips taken away.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inscape.nets.encoder import Mixing, softmax_attention


class SmallVit(nn.Module):
    """The network.

    Args:
        channels: of the pictures.
        side: pixels along a picture, a multiple of `patch`.
        classes: outputs.
        patch: pixels along a patch.
        width: of a token, a multiple of 4.
        blocks: number of blocks.
        token: whether a class token is read, in place of the mean over patches.

    Raises:
        ValueError: a side that patches do not divide, or a width that is no multiple of 4.

    Example:
        >>> net = SmallVit(3, 24, 10, width=16, blocks=2)
        >>> [tuple(h.shape) for h in net.layers(torch.zeros(2, 3, 24, 24))]
        [(2, 37, 16), (2, 37, 16)]
    """

    def __init__(
        self,
        channels: int,
        side: int,
        classes: int,
        *,
        patch: int = 4,
        width: int = 64,
        blocks: int = 6,
        token: bool = True,
    ) -> None:
        super().__init__()
        if side % patch:
            raise ValueError(f"SmallVit: side {side} is no multiple of the patch's {patch}")
        if width % 4:
            raise ValueError(f"SmallVit: width {width} is no multiple of its 4 heads")
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.first = nn.Parameter(torch.zeros(int(token), width))
        count = (side // patch) ** 2 + int(token)
        self.place = nn.Parameter(0.1 * torch.randn(count, width))
        self.mixing = nn.ModuleList([Mixing(width, 4, softmax_attention(4)) for _ in range(blocks)])
        self.mlp = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
                for _ in range(blocks)
            ]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2 * blocks + 1)])
        self.head = nn.Linear(width, classes)

    def layers(
        self, x: Float[Tensor, "n c h w"], without: int | None = None
    ) -> list[Float[Tensor, "n t width"]]:
        """The tokens after every block, the class token first where there is one.

        Args:
            x: pictures.
            without: the block whose two skips are taken away.
        """
        h = self.patches(x).flatten(2).mT
        h = torch.cat([self.first.expand(len(h), -1, -1), h], dim=1) + self.place
        out = []
        for i, (mix, mlp) in enumerate(zip(self.mixing, self.mlp, strict=True)):
            keep = float(i != without)
            h = keep * h + mix(self.norms[2 * i](h))
            h = keep * h + mlp(self.norms[2 * i + 1](h))
            out.append(h)
        return out

    def attention(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "blocks n heads t t"]:
        """Attention weights of every block and head."""
        entering = self.patches(x).flatten(2).mT
        entering = torch.cat([self.first.expand(len(x), -1, -1), entering], dim=1) + self.place
        out = []
        for i, (mix, after) in enumerate(zip(self.mixing, self.layers(x), strict=True)):
            b, t, w = entering.shape
            parts = mix.inward(self.norms[2 * i](entering)).view(b, t, 3, mix.heads, -1)
            q, k, _ = parts.permute(2, 0, 3, 1, 4)
            out.append((q @ k.mT / (w // mix.heads) ** 0.5).softmax(dim=-1))
            entering = after
        return torch.stack(out)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Scores of the classes."""
        last = self.layers(x)[-1]
        pooled = last[:, 0] if len(self.first) else last.mean(dim=1)
        return self.head(self.norms[-1](pooled))


def attention_distance(weights: Float[Tensor, "*rest t t"], patch: int) -> Float[Tensor, "*rest"]:
    """Mean distance, in pixels, between a patch and what it attends to.

    Args:
        weights: attention between the patches of a square picture, row by row, without a class
            token; what is missing to 1 is left out.
        patch: pixels along a patch.

    Raises:
        ValueError: weights of a number of patches that is no square: leave the class token out.
    """
    side = round(weights.shape[-1] ** 0.5)
    if side**2 != weights.shape[-1]:
        raise ValueError(
            f"attention_distance: {weights.shape[-1]} tokens are no square of patches; leave the "
            "class token out"
        )
    grid = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"))
    place = grid.flatten(1).T.to(weights.dtype) * patch
    far = torch.cdist(place, place)
    return ((weights * far).sum(dim=-1) / weights.sum(dim=-1)).mean(dim=-1)


@torch.no_grad()
def head_distances(
    net: SmallVit, images: Float[Tensor, "n c h w"]
) -> Float[Tensor, "blocks heads"]:
    """How far each head attends: `attention_distance` of its patches, mean over pictures, in pixels.

    Args:
        net: a transformer; what its class token attends to, and what attends to it, is left out.
        images: square pictures.

    Raises:
        ValueError: as in `attention_distance`.

    Reference: Raghu et al. (2021), arXiv:2108.08810, section 4; Dosovitskiy et al. (2021),
    arXiv:2010.11929, figure 7.

    Example:
        >>> net = SmallVit(3, 24, 10, width=16, blocks=2)
        >>> head_distances(net, torch.zeros(1, 3, 24, 24)).shape
        torch.Size([2, 4])
    """
    tokens = len(net.first)
    between = net.attention(images)[..., tokens:, tokens:]
    return attention_distance(between, net.patches.stride[0]).mean(dim=1)


def receptive_field(
    features: Float[Tensor, "n f"], x: Float[Tensor, "n c h w"], centre: tuple[float, float]
) -> Float[Tensor, ""]:
    """How far from a place the pixels lie that its features depend on, in pixels, weighted by the
    gradient.

    Args:
        features: of one place, computed from `x`.
        x: the pictures, which require a gradient.
        centre: the place: row and column, in pixels.
    """
    sign = torch.where(torch.arange(features.shape[1]) % 2 == 0, 1.0, -1.0)
    (slope,) = torch.autograd.grad((features * sign).sum(), x)
    weight = slope.abs().sum(dim=(0, 1))
    rows, columns = (torch.arange(s) + 0.5 for s in x.shape[2:])
    far = torch.hypot((rows - centre[0])[:, None], (columns - centre[1])[None])
    return (weight * far).sum() / weight.sum()


def middle_field(net: Any, images: Float[Tensor, "n c h w"], layer: int = 0) -> float:
    """How far the features in the middle of a picture see at one layer: their receptive field.

    Args:
        net: its ``layers`` gives maps, (n, channels, h, w), or tokens of patches in rows of equal
            length, (n, tokens, width), with class tokens ahead of them.
        images: square pictures.
        layer: which layer.

    Returns:
        Pixels, the mean over pictures.
    """
    x = images.clone().requires_grad_()
    h = net.layers(x)[layer]
    if h.ndim == 3:
        side = isqrt(h.shape[1])
        h = h[:, h.shape[1] - side**2 :].mT.unflatten(2, (side, side))
    side = h.shape[-1]
    centre = (side // 2 + 0.5) * x.shape[-1] / side
    return float(receptive_field(h[:, :, side // 2, side // 2], x, (centre, centre)))
