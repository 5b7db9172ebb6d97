"""Rows of layers: the numbers of the layers, an item for each input or for each place."""

from __future__ import annotations

import numpy as np
import torch

from inscape.nets.layer_rows import layer_rows, place_rows, pooled_rows
from inscape.nets.plain_cnn import PlainCNN
from inscape.nets.small_vit import SmallVit


def test_a_row_for_each_input_or_for_each_place():
    torch.manual_seed(0)
    net, x = PlainCNN(3, 5, width=4).eval(), torch.randn(2, 3, 18, 18)
    every = (layer_rows(net, x), place_rows(net, x), pooled_rows(net, x))
    for h, rows, by_place, pooled in zip(net.layers(x), *every, strict=True):
        own = h.detach().double().numpy()
        assert np.array_equal(rows, own.reshape(2, -1))
        n, c, height, width = own.shape
        assert by_place.shape == (n * height * width, c)
        assert np.array_equal(by_place[height * width + width + 1], own[1, :, 1, 1])
        assert np.allclose(pooled, own.mean(axis=(2, 3)), rtol=1e-4, atol=0)
        assert pooled.any()


def test_further_arguments_go_to_the_layers():
    torch.manual_seed(0)
    net, x = SmallVit(3, 8, 5, width=8, blocks=2).eval(), torch.randn(2, 3, 8, 8)
    with_skips, without = layer_rows(net, x), layer_rows(net, x, 0)
    assert np.array_equal(without[0], net.layers(x, 0)[0].detach().flatten(1).double().numpy())
    assert not np.allclose(with_skips[0], without[0])


def test_the_readout_is_what_the_classifier_sees_and_says():
    net = PlainCNN(1, 10, width=4).eval()
    x = torch.randn(3, 1, 18, 18, generator=torch.Generator().manual_seed(0))
    plain, more = layer_rows(net, x), layer_rows(net, x, readout=True)
    assert len(more) == len(plain) + 2
    for a, b in zip(plain, more, strict=False):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(more[-2], plain[-1].reshape(3, 16, -1).mean(axis=2), atol=1e-6)
    with torch.no_grad():
        np.testing.assert_allclose(more[-1], net(x).numpy())
        head = net.head(torch.from_numpy(more[-2]).float())
    np.testing.assert_allclose(more[-1], head.numpy(), atol=1e-5)
