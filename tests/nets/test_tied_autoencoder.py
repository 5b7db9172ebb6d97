"""The toy model of superposition: its formula, its start, and what it holds that features say."""

from __future__ import annotations

import numpy as np
import torch

from inscape.nets.tied_autoencoder import TiedAutoencoder


def test_the_reconstruction_is_the_formula():
    net = TiedAutoencoder(5, 2, torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.bias.copy_(torch.tensor([0.1, -0.2, 0.3, 0.0, -1.0]))
        x = torch.rand(7, 5, generator=torch.Generator().manual_seed(1))
        w, b = net.columns.numpy(), net.bias.numpy()
        slow = [np.maximum(w.T @ (w @ one) + b, 0) for one in x.numpy()]
        np.testing.assert_allclose(net(x).numpy(), slow, atol=1e-6)


def test_orthogonal_columns_reconstruct_what_they_represent():
    net = TiedAutoencoder(4, 2)
    with torch.no_grad():
        net.columns.copy_(torch.eye(2, 4))
        x = torch.tensor([[1.5, 0.5, 0.7, 0.0]])
        assert net(x).tolist() == [[1.5, 0.5, 0.0, 0.0]]
    assert net.represented().tolist() == [True, True, False, False]
    assert net.represented(1.0).sum() == 0


def test_columns_start_with_lengths_around_one():
    net = TiedAutoencoder(4000, 20, torch.Generator().manual_seed(0))
    square = (net.directions() ** 2).sum(axis=1)
    assert abs(square.mean() - 1) < 0.02
    assert net.represented().mean() > 0.99
    assert net.bias.abs().max() == 0
    again = TiedAutoencoder(4000, 20, torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(net.directions(), again.directions())
