"""One direction a block, held at its mean or projected out at several blocks at once.

    held        h ← h + (m − d·h) d        m = d·mean state of a reference, at all tokens but the
    first out         h ← h − (d·h) d            at every token

The first token is an attention sink, whose coordinates are far from those of any other.

Cost: a product a block and token.
Reference: Arditi et al. (2024), arXiv:2406.11717, for directions ablated at every layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from inscape.core.edit import ProjectOut, Scope, SetComponent

#: all positions but the first
REST = tuple(range(1, 256))


def unit(x: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
    """Rows of length 1."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def held_at_mean(
    sites: Sequence[str],
    directions: Float[np.ndarray, "sites d"],
    reference: Float[np.ndarray, "n sites d"],
    zero: bool = False,
) -> list[SetComponent]:
    """Edits that hold each site's direction at its mean over a reference, or at zero.

    Args:
        sites: where.
        directions: unit vectors.
        reference: states.
        zero: hold at zero.
    """
    at = (0.0 if zero else 1.0) * np.einsum("sd,sd->s", directions, reference.mean(axis=0))
    return [
        SetComponent(
            Scope(site, REST), torch.tensor(d[None], dtype=torch.float32), torch.tensor([float(m)])
        )
        for site, d, m in zip(sites, directions, at, strict=True)
    ]


def projected_out(
    sites: Sequence[str], directions: Float[np.ndarray, "sites d"]
) -> list[ProjectOut]:
    """Edits that project each site's direction out at every token.

    Args:
        sites: where.
        directions: one a site.
    """
    return [
        ProjectOut(Scope(site), torch.tensor(d[None], dtype=torch.float32))
        for site, d in zip(sites, directions, strict=True)
    ]
