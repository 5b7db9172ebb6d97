"""Two transformer encoders whose sequences are pooled by attention, and one classifier for both.

    tokens → linear + position → blocks: x + mix(norm x), x + mlp(norm x) → norm
    pooled = Σ_t softmax_t(q · k_t / √w) h_t → embedding → classes

The query q is learned and is the same for all inputs, so that the weights say which tokens matter
and an embedding knows nothing of the other side. (A query made from the other side would carry it
over, and the two would correlate whatever the input is.) That both sides share the classifier makes
their embeddings comparable.

Cost: O(blocks · tokens · width²) a side.
Reference: Qiu et al. (2023), arXiv:2208.06348, for the two encoders; Bahdanau, Cho and Bengio
(2015), arXiv:1409.0473, for pooling by attention.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inscape.nets.encoder import Mixing, softmax_attention


class PooledEncoder(nn.Module):
    """One side.

    Args:
        tokens: of a sequence.
        features: of a token.
        embedding: width of what comes out.
        width: of a token inside, a multiple of 2.
        blocks: number of blocks.
    """

    def __init__(
        self, tokens: int, features: int, embedding: int, width: int = 32, blocks: int = 1
    ) -> None:
        super().__init__()
        self.inward = nn.Linear(features, width)
        self.place = nn.Parameter(0.1 * torch.randn(tokens, width))
        self.mixing = nn.ModuleList([Mixing(width, 2, softmax_attention(2)) for _ in range(blocks)])
        self.mlp = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
                for _ in range(blocks)
            ]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2 * blocks + 1)])
        self.query, self.key = nn.Parameter(torch.randn(width)), nn.Linear(width, width)
        self.outward = nn.Linear(width, embedding)

    def states(self, x: Float[Tensor, "n t f"]) -> Float[Tensor, "n t w"]:
        """The tokens after the last block, normed."""
        h = self.inward(x) + self.place
        for i, (mix, mlp) in enumerate(zip(self.mixing, self.mlp, strict=True)):
            h = h + mix(self.norms[2 * i](h))
            h = h + mlp(self.norms[2 * i + 1](h))
        return self.norms[-1](h)

    def weights(self, states: Float[Tensor, "n t w"]) -> Float[Tensor, "n t"]:
        """How much of each token the pooling takes; sums to 1.

        Args:
            states: as `states` gives them.
        """
        return (self.key(states) @ self.query / len(self.query) ** 0.5).softmax(dim=-1)

    def forward(self, x: Float[Tensor, "n t f"]) -> Float[Tensor, "n e"]:
        """Embeddings."""
        h = self.states(x)
        return self.outward((self.weights(h)[..., None] * h).sum(dim=1))


class TwoEncoders(nn.Module):
    """Both sides and their classifier.

    Args:
        first, second: tokens of a sequence and features of a token, of each side.
        classes: to tell apart.
        embedding: width of the common space.
        width: of a token inside, a multiple of 2.

    Example:
        >>> net = TwoEncoders((4, 6), (8, 16), 2)
        >>> a, b = net(torch.zeros(3, 4, 6), torch.zeros(3, 8, 16))
        >>> a.shape, net.head(b).shape
        (torch.Size([3, 8]), torch.Size([3, 2]))
    """

    def __init__(
        self,
        first: tuple[int, int],
        second: tuple[int, int],
        classes: int,
        *,
        embedding: int = 8,
        width: int = 32,
    ) -> None:
        super().__init__()
        self.first = PooledEncoder(*first, embedding, width)
        self.second = PooledEncoder(*second, embedding, width)
        self.head = nn.Linear(embedding, classes)

    def forward(
        self, a: Float[Tensor, "n t f"], b: Float[Tensor, "n u g"]
    ) -> tuple[Float[Tensor, "n e"], Float[Tensor, "n e"]]:
        """Embeddings of both sides."""
        return self.first(a), self.second(b)
