"""The encoder with its projector: shapes, and an embedding that is the projector's of the
representation.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inscape.nets.joint_embedding import (
    JointEmbedding,
    picture_encoder,
    picture_network,
    projector,
)


@pytest.mark.parametrize(("channels", "side"), [(1, 18), (3, 7)])
def test_shapes(channels, side):
    torch.manual_seed(0)
    net = JointEmbedding(channels, side, width=20, embedding=5, convolutions=(4, 6, 8)).eval()
    x = torch.randn(3, channels, side, side)
    h = net.encoder(x)
    assert h.shape == (3, 20)
    assert (h >= 0).all()
    assert net(x).shape == (3, 5)
    torch.testing.assert_close(net(x), net.projector(h))


def test_a_projector_normalises_its_hidden_layer():
    torch.manual_seed(0)
    net = projector(4, 8, 3)
    hidden = net[:2](torch.randn(200, 4) * 7 + 3)
    torch.testing.assert_close(hidden.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden.std(0), torch.ones(8), atol=0.01, rtol=0)


def test_a_head_stands_on_the_representation_of_the_encoder():
    torch.manual_seed(0)
    head = nn.Linear(20, 10)
    net = picture_network(3, 18, head, 20)
    x = torch.randn(4, 3, 18, 18)
    assert net(x).shape == (4, 10)
    torch.testing.assert_close(net(x), head(net.encoder(x)))
    # the same weights as an encoder that is made after such a head
    torch.manual_seed(0)
    nn.Linear(20, 10)
    torch.testing.assert_close(net.encoder(x), picture_encoder(3, 18, 20)(x))
    small = picture_network(1, 18, nn.Linear(20, 10), 20, convolutions=(4,))
    assert small.encoder[0].out_channels == 4
