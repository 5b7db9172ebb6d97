"""Relations as matrices: the loss is its formula, and its minimum the mutual information of
pairs.
"""

import numpy as np
import pytest
import torch

from inscape.learn.fit import Budget, fit
from inscape.learn.gradient import Gradient
from inscape.learn.relation_embedding import RelationEmbedding, relation_loss


def test_the_loss_is_its_sum_over_pairs():
    torch.manual_seed(0)
    net = RelationEmbedding(4, 2, 3)
    counts = torch.tensor(np.random.default_rng(0).integers(1, 9, (2, 4, 4)), dtype=torch.float32)
    v, m = net.objects, net.relations
    often = torch.tensor([counts[:, a].sum() + counts[:, :, a].sum() for a in range(4)])
    alone = often / often.sum()
    slow = 0.01 * ((v**2).sum() + (m**2).sum())
    for f in range(2):
        for a in range(4):
            for b in range(4):
                logit = v[a] @ m[f] @ v[b]
                seen = counts[f, a, b] / counts[f].sum() * torch.sigmoid(logit).log()
                slow = slow - (seen + alone[a] * alone[b] * torch.sigmoid(-logit).log()) / 2
    assert relation_loss(net, counts, 0.01).item() == pytest.approx(slow.item(), rel=1e-5)


def test_wide_embeddings_reach_the_mutual_information():
    rng = np.random.default_rng(1)
    counts = rng.integers(20, 200, (2, 5, 5)).astype(np.float32)
    data = torch.as_tensor(counts)
    torch.manual_seed(0)
    found = fit(
        RelationEmbedding(5, 2, 5),
        lambda rng: data,
        lambda net, batch: relation_loss(net, batch, 0.0),
        Budget(1500),
        Gradient(lr=0.03, schedule="cosine"),
        rng=rng,
    )
    often = counts.sum(axis=(0, 2)) + counts.sum(axis=(0, 1))
    alone = np.outer(often, often) / often.sum() ** 2
    truth = np.log(counts / counts.sum(axis=(1, 2), keepdims=True) / alone)
    assert np.abs(truth).max() > 0.5
    assert np.allclose(found.net().detach().numpy(), truth, atol=0.02)


def test_a_relation_without_pairs_is_refused():
    with pytest.raises(ValueError, match="no pair stands in one of the relations"):
        relation_loss(RelationEmbedding(3, 2, 2), torch.zeros(2, 3, 3))
