"""Planted blocks: a random graph whose communities are known.

    P(a joined to b) = p inside a block, q between blocks                 the stochastic block model

A way to find communities should give them back where p is well above q, and cannot where they are
equal.

Cost: nodes² numbers.
Reference: Holland, Laskey and Leinhardt (1983), Social Networks 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int


@dataclass(frozen=True, eq=False)
class PlantedBlocks:
    """A graph with its truth.

    Attributes:
        joined: 1 for an edge, 0 for none, symmetric, (n, n).
        blocks: of each node, (n,).
    """

    joined: Float64[np.ndarray, "n n"]
    blocks: Int[np.ndarray, " n"]


def planted_blocks(
    sizes: Sequence[int] = (15, 15),
    inside: float = 0.6,
    between: float = 0.05,
    *,
    rng: np.random.Generator,
) -> PlantedBlocks:
    """Draw a graph.

    Args:
        sizes: nodes of each block.
        inside: p.
        between: q.
        rng: of the edges.

    Raises:
        ValueError: an empty block, or chances outside 0 to 1.

    Example:
        >>> made = planted_blocks((2, 3), inside=1.0, between=0.0, rng=np.random.default_rng(0))
        >>> made.blocks.tolist(), made.joined[0].tolist()
        ([0, 0, 1, 1, 1], [0.0, 1.0, 0.0, 0.0, 0.0])
    """
    if not len(sizes) or min(sizes) < 1 or not 0 <= between <= 1 or not 0 <= inside <= 1:
        raise ValueError(
            "planted_blocks: needs blocks of at least one node and chances between 0 and 1, got "
            f"{list(sizes)}, {inside} and {between}"
        )
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    chance = np.where(blocks[:, None] == blocks, inside, between)
    joined = np.triu(rng.random(chance.shape) < chance, 1).astype(np.float64)
    return PlantedBlocks(joined + joined.T, blocks)
