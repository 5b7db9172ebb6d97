"""Two encoders: pooling is the weighted mean, weights go where the answer is, and the sides do not
touch.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from inscape.nets.two_encoders import PooledEncoder, TwoEncoders


def test_pooling_is_the_weighted_mean_of_the_tokens():
    torch.manual_seed(0)
    net, x = PooledEncoder(5, 3, 4, width=8), torch.randn(6, 5, 3)
    with torch.no_grad():
        states = net.states(x)
        scores = torch.stack(
            [(net.key(states[:, t]) * net.query).sum(-1) / 8**0.5 for t in range(5)]
        )
        weights = scores.exp() / scores.exp().sum(dim=0)
        mean = sum(weights[t][:, None] * states[:, t] for t in range(5))
        assert torch.allclose(net.weights(states), weights.T, atol=1e-6)
        assert torch.allclose(net(x), net.outward(mean), atol=1e-6)


def test_an_embedding_depends_on_its_own_side_alone():
    torch.manual_seed(0)
    net = TwoEncoders((4, 6), (8, 16), 2)
    x, y = torch.randn(3, 4, 6), torch.randn(3, 8, 16)
    a, b = net(x, y)
    c, d = net(x, torch.randn(3, 8, 16))
    assert torch.equal(a, c)
    assert not torch.allclose(b, d)


def test_weights_go_to_the_token_that_says_it():
    torch.manual_seed(0)
    net = PooledEncoder(4, 6, 2, width=16)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    x = torch.randn(512, 4, 6)
    y = (x[:, 2, 0] > 0).long()
    before = net.weights(net.states(x)).mean(dim=0)[2].item()
    for _ in range(150):
        optimiser.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimiser.step()
    after = net.weights(net.states(x)).mean(dim=0)
    assert before < 0.5
    assert after.argmax() == 2
    assert after[2] > 0.5
