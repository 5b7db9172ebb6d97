"""Objects as vectors and relations as matrices, learnt from which objects stand in which relation.

    logit of (a, b) in relation f = v_aᵀ M_f v_b
    L = −Σ_f Σ_ab [ p_f(a, b) log σ(logit) + p(a) p(b) log σ(−logit) ] / F + α (‖v‖² + ‖M‖²)

Observed pairs are told from pairs drawn independently, so that the best logit is the pointwise
mutual information of a pair in a relation. Vectors and matrices are given only up to v → G v, M →
G⁻ᵀ M G⁻¹; the penalty leaves of these the rotations.

Cost: relations × objects² · width for all pairs at once.
Reference: Sheshmani and You (2021), arXiv:2103.14770, §3; Levy and Goldberg (2014) for negative
sampling and mutual information.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class RelationEmbedding(nn.Module):
    """Vectors and matrices.

    Args:
        objects: how many, n.
        relations: how many, F.
        width: of a vector, d.

    Attributes:
        objects: v, (n, d).
        relations: M, (F, d, d).

    Example:
        >>> RelationEmbedding(5, 2, 3)().shape
        torch.Size([2, 5, 5])
    """

    def __init__(self, objects: int, relations: int, width: int) -> None:
        super().__init__()
        self.objects = nn.Parameter(torch.randn(objects, width) / width**0.5)
        self.relations = nn.Parameter(torch.randn(relations, width, width) / width)

    def forward(self) -> Float[Tensor, "f n n"]:
        """The logits of all pairs in all relations."""
        return self.objects @ self.relations @ self.objects.T


def relation_loss(
    net: RelationEmbedding, counts: Float[Tensor, "f n n"], penalty: float = 1e-3
) -> Float[Tensor, ""]:
    """Observed pairs against independent ones, all at once and in expectation.

    Args:
        net: the embedding.
        counts: how often each pair stands in each relation.
        penalty: α.

    Raises:
        ValueError: a relation in which no pair stands.
    """
    total = counts.sum(dim=(1, 2), keepdim=True)
    if not bool((total > 0).all()):
        raise ValueError("relation_loss: no pair stands in one of the relations; leave it out")
    each = counts.sum(dim=(0, 2)) + counts.sum(dim=(0, 1))
    alone = torch.outer(each, each) / each.sum() ** 2
    logits = net()
    found = -(counts / total * F.logsigmoid(logits) + alone * F.logsigmoid(-logits)).sum()
    size = net.objects.pow(2).sum() + net.relations.pow(2).sum()
    return found / len(counts) + penalty * size
