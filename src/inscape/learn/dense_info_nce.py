"""Which cell of the other view shows the same place? The contrastive objective of features that
keep their grid.

    L = − mean over cells of log ( exp(s(q, k⁺) / τ) / ( exp(s(q, k⁺) / τ) + Σ exp(s(q, k⁻) / τ) ) )       s: cosine

q is a cell of one view, k⁺ its match in the other, and the k⁻ are the matches of the cells of
*other* pictures: two cells of one picture may show the same thing. With one cell a picture, its
mean, it is the objective of whole pictures.

Cost: O((n m)² d).
Reference: Wang et al. (2021), DenseCL, arXiv:2011.09157, eq. 2 and 3.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def at_cells(
    features: Float[Tensor, "n d h w"], cells: Int[Tensor, "n m"]
) -> Float[Tensor, "n m d"]:
    """The features of some cells of each picture, cells numbered row by row."""
    flat = features.flatten(2).mT
    return flat.gather(1, cells[..., None].expand(-1, -1, flat.shape[2]))


def nearest_cells(
    queries: Float[Tensor, "n m d"], features: Float[Tensor, "n d h w"]
) -> Int[Tensor, "n m"]:
    """The cell of the other view with the largest cosine, for each query of a picture."""
    keys = F.normalize(features.flatten(2), dim=1)
    return (F.normalize(queries, dim=2) @ keys).argmax(dim=2)


def dense_info_nce(
    queries: Float[Tensor, "n m d"],
    keys: Float[Tensor, "n m d"],
    temperature: float = 0.2,
    pictures: int | None = None,
) -> Float[Tensor, ""]:
    """Contrastive loss of matched cells, in nats.

    Args:
        queries: m cells of each of n pictures.
        keys: their matches.
        temperature: τ.
        pictures: whose keys are negatives: so many after the query's own, in turns; None for all
            others.

    Raises:
        ValueError: more pictures than there are others, or none; a temperature that is not positive.

    Example:
        >>> two = torch.eye(2)[:, None]
        >>> round(float(dense_info_nce(two, two, temperature=1.0)), 4)  # log(1 + 1 / e)
        0.3133
    """
    n, m, _ = queries.shape
    asked = n - 1 if pictures is None else pictures
    if not 1 <= asked < n:
        raise ValueError(
            f"dense_info_nce: {asked} pictures of negatives were asked of {n} pictures"
        )
    if not temperature > 0:
        raise ValueError(f"dense_info_nce: temperature must be positive, got {temperature}")
    q, k = (F.normalize(x, dim=2).flatten(0, 1) for x in (queries, keys))
    scores = q @ k.T / temperature
    picture = torch.arange(n).repeat_interleave(m)
    after = (picture[None] - picture[:, None]) % n
    allowed = ((after >= 1) & (after <= asked)) | torch.eye(n * m, dtype=torch.bool)
    return F.cross_entropy(scores.masked_fill(~allowed, -torch.inf), torch.arange(n * m))
