"""The autoencoder: bounded on both sides, and able to learn a few inputs by heart."""

from __future__ import annotations

import numpy as np
import torch

from inscape.learn.fit import Budget, fit
from inscape.learn.gradient import Gradient
from inscape.nets.autoencoder import Autoencoder


def test_it_is_bounded_and_learns_a_few_inputs():
    torch.manual_seed(0)
    net, x = Autoencoder(12, latent=3, hidden=32), torch.rand(5, 12)
    assert net.encode(100 * x).abs().max() <= 1
    assert net(x).shape == x.shape
    made = net(x).detach()
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    loss = lambda net, x: (net(x) - x).square().mean()  # noqa: E731
    before = float(loss(net, x).detach())
    rng = np.random.default_rng(0)
    fit(net, lambda rng: x, loss, Budget(400), Gradient(lr=0.01), rng=rng)
    assert float(loss(net, x).detach()) < 0.05 * before


def test_a_round_trip_of_a_latent_is_the_latent_of_what_it_is_decoded_to():
    torch.manual_seed(0)
    net, x = Autoencoder(12, latent=3, hidden=32), torch.rand(5, 12)
    z = net.encode(x)
    again = net.round_trip(z)
    assert again.shape == z.shape
    assert torch.equal(again, net.encode(net(x)))
    assert not torch.allclose(again, z)
