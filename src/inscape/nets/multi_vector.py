"""A dual encoder of frozen states whose documents have several vectors: the best of them counts.

    f(q) = W q        f_j(d) = W Σ over parts s of softmax_s(⟨a_j, s⟩) s,  j = 1 … m        score = max_j ⟨f(q), f_j(d)⟩

With one vector it is the plain dual encoder, which must put all that a document says into one sum.
Queries and documents share W, as dual encoders of one language model do: before training it is a
random projection, which keeps inner products.

Cost: O(parts · width) a document and vector.
Reference: Luan, Eisenstein, Toutanova and Collins (2021), arXiv:2005.00181, section 6 (ME-BERT).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MultiVector(nn.Module):
    """The heads.

    Args:
        width: of the frozen states.
        dimensions: of each vector.
        vectors: m, of a document.

    Example:
        >>> net = MultiVector(32, 4, 3)
        >>> net(torch.zeros(5, 32), torch.zeros(7, 10, 32)).shape
        torch.Size([5, 7])
    """

    def __init__(self, width: int, dimensions: int, vectors: int) -> None:
        super().__init__()
        self.projection = nn.Parameter(torch.randn(width, dimensions) / width**0.5)
        self.attention = nn.Parameter(torch.randn(vectors, width) / width**0.5)

    def vectors(self, parts: Float[Tensor, "n parts width"]) -> Float[Tensor, "n m dimensions"]:
        """The vectors of documents."""
        weights = (parts @ self.attention.T).softmax(dim=1)
        return torch.einsum("nsm,nsw->nmw", weights, parts) @ self.projection

    def forward(
        self, queries: Float[Tensor, "q width"], parts: Float[Tensor, "n parts width"]
    ) -> Float[Tensor, "q n"]:
        """The score of every document for every query."""
        return torch.einsum("qk,nmk->qnm", queries @ self.projection, self.vectors(parts)).amax(
            dim=2
        )
