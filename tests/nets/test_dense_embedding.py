"""The encoder that keeps its grid: a cell sees its surroundings alone."""

from __future__ import annotations

import torch

from inscape.nets.dense_embedding import DenseEmbedding


def test_a_cell_depends_on_pixels_near_it_alone():
    torch.manual_seed(0)
    net = DenseEmbedding(3, width=8, embedding=4).eval()
    x = torch.rand(1, 3, 32, 32)
    assert net.encoder(x).shape == (1, 8, 8, 8)
    assert net(x).shape == (1, 4, 8, 8)
    moved = x.clone()
    moved[:, :, 0, 0] += 1
    change = (net(moved) - net(x)).abs().amax(1)[0]
    assert change[0, 0] > 0
    assert change[3:].max() == change[:, 3:].max() == 0
