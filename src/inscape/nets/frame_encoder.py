"""A small transformer over the frames of a sound, some of which may be hidden from it.

    z = norm(conv(frames));   z_t ← mask where hidden;   h = z + gelu(conv(z))
    blocks: h + mix(norm h),  h + mlp(norm h)  → norm → head

Order is told by a convolution over frames, so that nothing depends on how far into the sound a
frame stands. Frames alone, z, are what contrastive objectives look for.

Cost: O(blocks · (frames · width² + frames² · width)).
Reference: Baevski et al. (2020), wav2vec 2.0, arXiv:2006.11477; Hsu et al. (2021), HuBERT,
arXiv:2106.07447, whose networks are of this plan.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from inscape.nets.encoder import Mixing, softmax_attention


class FrameEncoder(nn.Module):
    """The network.

    Args:
        features: of a frame.
        outputs: of the head, for each frame.
        width: of a token, a multiple of 16.
        heads: of each block.
        blocks: number of blocks.

    Raises:
        ValueError: a width that is no multiple of 16 or of the heads.

    Example:
        >>> net = FrameEncoder(40, 10, width=32, blocks=2)
        >>> [tuple(h.shape) for h in net.layers(torch.zeros(3, 20, 40))]
        [(3, 20, 32), (3, 20, 32)]
    """

    def __init__(
        self, features: int, outputs: int, *, width: int = 128, heads: int = 4, blocks: int = 4
    ) -> None:
        super().__init__()
        if width % 16 or width % heads:
            raise ValueError(
                f"FrameEncoder: width must be a multiple of 16 and of the {heads} heads, got "
                f"{width}"
            )
        self.inward = nn.Conv1d(features, width, 3, padding=1)
        self.alone = nn.LayerNorm(width)
        self.hidden = nn.Parameter(0.1 * torch.randn(width))
        self.place = nn.Conv1d(width, width, 15, padding=7, groups=16)
        attention = softmax_attention(heads)
        self.mixing = nn.ModuleList([Mixing(width, heads, attention) for _ in range(blocks)])
        self.mlp = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
                for _ in range(blocks)
            ]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2 * blocks + 1)])
        self.head = nn.Linear(width, outputs)

    def frames(self, x: Float[Tensor, "n t f"]) -> Float[Tensor, "n t width"]:
        """z: each frame with its two neighbours alone, nothing hidden."""
        return self.alone(self.inward(x.mT).mT)

    def layers(
        self, x: Float[Tensor, "n t f"], hidden: Bool[Tensor, "n t"] | None = None
    ) -> list[Float[Tensor, "n t width"]]:
        """The tokens after every block.

        Args:
            x: frames.
            hidden: those that the network does not see.
        """
        return [after for _, after in self._blocks(x, hidden)]

    def attention(self, x: Float[Tensor, "n t f"]) -> Float[Tensor, "blocks n heads t t"]:
        """Attention weights of every block and head."""
        out = []
        for i, (mix, (h, _)) in enumerate(zip(self.mixing, self._blocks(x, None), strict=True)):
            parts = mix.inward(self.norms[2 * i](h)).unflatten(2, (3, mix.heads, -1))
            q, k, _ = parts.permute(2, 0, 3, 1, 4)
            out.append((q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1))
        return torch.stack(out)

    def forward(
        self, x: Float[Tensor, "n t f"], hidden: Bool[Tensor, "n t"] | None = None
    ) -> Float[Tensor, "n t outputs"]:
        """What the head gives for every frame; arguments as in `layers`."""
        return self.head(self.norms[-1](self.layers(x, hidden)[-1]))

    def _blocks(self, x: Tensor, hidden: Tensor | None) -> list[tuple[Tensor, Tensor]]:
        """The tokens before and after every block."""
        h = self.frames(x)
        if hidden is not None:
            h = torch.where(hidden[..., None], self.hidden, h)
        h = h + F.gelu(self.place(h.mT).mT)
        out = []
        for i, (mix, mlp) in enumerate(zip(self.mixing, self.mlp, strict=True)):
            before = h
            h = h + mix(self.norms[2 * i](h))
            h = h + mlp(self.norms[2 * i + 1](h))
            out.append((before, h))
        return out
