"""The encoder with its projector: shapes, and an embedding that is the projector's of the
representation.
"""

from __future__ import annotations

import pytest
import torch

from inscape.nets.joint_embedding import JointEmbedding, projector


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
