"""A small transformer that classifies sequences, whatever mixes its tokens.

    x = embed(token) + embed(position);   each block:  x + mix(norm x),  x + mlp(norm x)
    mean over tokens → norm → classes

Attention is a factory of modules or functions of (q, k, v), each (batch, heads, tokens, width of a
head), so that two kinds of attention differ in nothing else.

Cost: O(layers · tokens · width²) and what attention takes.
Reference: Vaswani et al. (2017), Attention is all you need, arXiv:1706.03762; Xiong et al. (2020),
arXiv:2002.04745, for the norm before each part.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class Mixing(nn.Module):
    """Queries, keys and values of normed tokens, mixed by some attention, and written back.

    Args:
        width: of a token.
        heads: number of heads.
        attention: takes q, k and v.
    """

    def __init__(self, width: int, heads: int, attention: Callable[..., Tensor]) -> None:
        super().__init__()
        self.heads, self.attention = heads, attention
        self.inward, self.outward = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b n w"]) -> Float[Tensor, "b n w"]:
        """The tokens' share of each other."""
        b, n, w = x.shape
        q, k, v = self.inward(x).view(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        return self.outward(self.attention(q, k, v).transpose(1, 2).reshape(b, n, w))


class Encoder(nn.Module):
    """The network.

    Args:
        tokens: of the vocabulary.
        length: longest sequence.
        classes: to tell apart.
        attention: makes what mixes the tokens of a block from the number of heads.
        width: of a token, a multiple of `heads`.
        heads: of each block.
        blocks: number of blocks.

    Raises:
        ValueError: a width that the heads do not divide.

    Example:
        >>> softmax = lambda heads: F.scaled_dot_product_attention
        >>> Encoder(10, 8, 3, softmax)(torch.zeros(2, 8, dtype=torch.int64)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        tokens: int,
        length: int,
        classes: int,
        attention: Callable[[int], Callable[..., Tensor]],
        *,
        width: int = 32,
        heads: int = 2,
        blocks: int = 2,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"Encoder: width {width} is no multiple of {heads} heads")
        self.token, self.position = nn.Embedding(tokens, width), nn.Embedding(length, width)
        self.mixing = nn.ModuleList([Mixing(width, heads, attention(heads)) for _ in range(blocks)])
        self.mlp = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
                for _ in range(blocks)
            ]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2 * blocks + 1)])
        self.head = nn.Linear(width, classes)

    def forward(self, x: Int[Tensor, "b n"]) -> Float[Tensor, "b classes"]:
        """Logits.

        Raises:
            ValueError: a sequence longer than the network's.
        """
        if x.shape[1] > self.position.num_embeddings:
            raise ValueError(
                f"Encoder: sequences of {x.shape[1]} tokens, and the network takes "
                f"{self.position.num_embeddings} at most"
            )
        h = self.token(x) + self.position(torch.arange(x.shape[1]))
        for i, (mix, mlp) in enumerate(zip(self.mixing, self.mlp, strict=True)):
            h = h + mix(self.norms[2 * i](h))
            h = h + mlp(self.norms[2 * i + 1](h))
        return self.head(self.norms[-1](h.mean(1)))


def softmax_attention(heads: int) -> Callable[..., Tensor]:
    """PyTorch's own attention as `Encoder` takes it."""
    return F.scaled_dot_product_attention
