"""Sequence swaps: in a vector that stores a sequence, make token j another one and leave the rest
as it is.

    onion      h' = h + s_j ⊙ (e_b − e_a)        s_j = g γ^j + β j + b        positions differ by magnitude
    unigram    h' = h + Q_j Q_jᵀ (h_s − h)       positions differ by subspace; the source s has the new token at j
    bigram     h' = h + Σ_{i = j−1, j} Q_i Q_iᵀ (h_s − h)                      one subspace for each pair of neighbours

e, g, γ, β, b, and the orthonormal Q are learned. The subspaces are orthogonal to each other, as the
linear representation hypothesis has it. An onion whose s_j does not depend on j is the control that
shows what magnitudes are worth.

Cost: n d for the onion; n d k and one QR of d × k for the subspaces, k their dimensions in all.
Reference: Csordás, Potts, Manning and Geiger (2024), arXiv:2408.10920.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Swaps(NamedTuple):
    """What is to be swapped, n times.

    Attributes:
        h: the vectors, (n, d).
        source: vectors of sequences that have the new token at the position; a bigram swap's have
            the neighbours too.
        position: j.
        old: the token there.
        new: the one that is wanted.
    """

    h: Float[Tensor, "n d"]
    source: Float[Tensor, "n d"]
    position: Int[Tensor, " n"]
    old: Int[Tensor, " n"]
    new: Int[Tensor, " n"]


class OnionSwap(nn.Module):
    """Exchange one token's vector for another's, at the position's magnitude.

    Args:
        symbols: tokens.
        width: d.
        generator: of the initial vectors.
        constant: the same magnitude at every position.
    """

    def __init__(
        self, symbols: int, width: int, generator: torch.Generator, constant: bool = False
    ) -> None:
        super().__init__()
        self.constant = constant
        self.tokens = nn.Parameter(0.3 * torch.randn(symbols, width, generator=generator))
        self.gain, self.decay = (
            nn.Parameter(torch.ones(width)),
            nn.Parameter(torch.full((width,), 0.7)),
        )
        self.slope, self.offset = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))

    def scale(self, position: Int[Tensor, " n"]) -> Float[Tensor, "n d"]:
        """s_j of each row."""
        if self.constant:
            return self.gain.expand(len(position), -1)
        j = position[:, None].float()
        # a negative base has no real power; its magnitude is what a scale is about
        return self.gain * self.decay.abs().clamp_min(1e-3) ** j + self.slope * j + self.offset

    def forward(self, swaps: Swaps) -> Float[Tensor, "n d"]:
        """The vectors with the new tokens."""
        return swaps.h + self.scale(swaps.position) * (
            self.tokens[swaps.new] - self.tokens[swaps.old]
        )


class SubspaceSwap(nn.Module):
    """Take the source's part in the position's subspace, or in those of both pairs that the
    position is in.

    Args:
        longest: positions.
        width: d.
        generator: of the initial subspaces.
        bigrams: one subspace for each pair of neighbours (the last position's pair ends the
            sequence).
        most: dimensions of a subspace at most; as many as fit otherwise.

    Raises:
        ValueError: more positions than dimensions.
    """

    def __init__(
        self,
        longest: int,
        width: int,
        generator: torch.Generator,
        bigrams: bool = False,
        most: int = 32,
    ) -> None:
        super().__init__()
        if width < longest:
            raise ValueError(
                f"SubspaceSwap: {longest} positions need as many dimensions, got width {width}"
            )
        self.bigrams, self.longest, self.block = bigrams, longest, min(most, width // longest)
        self.raw = nn.Parameter(
            torch.randn(width, longest * self.block, generator=generator) * width**-0.5
        )

    def forward(self, swaps: Swaps) -> Float[Tensor, "n d"]:
        """The vectors with the new tokens."""
        basis = torch.linalg.qr(self.raw)[0]
        block = torch.arange(self.longest).repeat_interleave(self.block)
        taken = block == swaps.position[:, None]
        if self.bigrams:
            taken = taken | (block == swaps.position[:, None] - 1)
        return swaps.h + (((swaps.source - swaps.h) @ basis) * taken) @ basis.T
