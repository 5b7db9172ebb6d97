"""Eight layers of the right sizes, and the classifier reads the last."""

from __future__ import annotations

import torch

from inscape.nets.plain_cnn import SHAPES, PlainCNN


def test_sizes_and_what_the_classifier_reads():
    torch.manual_seed(0)
    net = PlainCNN(3, 5, width=4).eval()
    x = torch.randn(2, 3, 18, 18)
    layers = net.layers(x)
    assert [h.shape[1] for h in layers] == [4 * times for times, *_ in SHAPES]
    assert [h.shape[2] for h in layers] == [18, 18, 9, 9, 9, 5, 3, 3]
    assert all((h >= 0).all() and (h > 0).any() for h in layers)
    assert torch.allclose(net(x), net.head(layers[-1].mean(dim=(2, 3))))
    assert torch.allclose(net.blocks[3](layers[2]), layers[3])
