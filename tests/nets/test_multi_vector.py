"""Several vectors a document: the best counts, and one of them is the plain dual encoder."""

from __future__ import annotations

import torch

from inscape.nets.multi_vector import MultiVector


def test_the_best_vector_counts_and_the_order_of_parts_does_not():
    torch.manual_seed(0)
    net, q, parts = MultiVector(12, 5, 3), torch.randn(4, 12), torch.randn(6, 7, 12)
    scores = net(q, parts)
    each = torch.einsum("qk,nmk->mqn", q @ net.projection, net.vectors(parts))
    assert torch.allclose(scores, each.max(dim=0).values)
    assert (each < scores - 1e-4).any()
    assert torch.allclose(net(q, parts[:, torch.randperm(7)]), scores, atol=1e-5)


def test_one_vector_without_attention_is_the_mean():
    torch.manual_seed(0)
    net, q, parts = MultiVector(6, 4, 1), torch.randn(3, 6), torch.randn(5, 2, 6)
    torch.nn.init.zeros_(net.attention)
    expected = (q @ net.projection) @ (parts.mean(dim=1) @ net.projection).T
    assert torch.allclose(net(q, parts), expected, atol=1e-5)
