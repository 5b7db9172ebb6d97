"""An encoder of frames: what is hidden is not seen, order is told, and attention is what blocks
use.
"""

from __future__ import annotations

import pytest
import torch

from inscape.nets.frame_encoder import FrameEncoder


def made() -> FrameEncoder:
    torch.manual_seed(0)
    return FrameEncoder(8, 5, width=32, blocks=3).eval()


def test_blocks_end_in_what_the_head_reads():
    net, x = made(), torch.randn(2, 30, 8)
    layers = net.layers(x)
    assert [h.shape for h in layers] == [(2, 30, 32)] * 3
    assert torch.equal(net(x), net.head(net.norms[-1](layers[-1])))


def test_a_hidden_frame_is_not_seen_and_is_seen_where_it_is_not_hidden():
    net, x = made(), torch.randn(2, 30, 8)
    hidden = torch.zeros(2, 30, dtype=torch.bool)
    hidden[:, 9:14] = True  # the convolution of a frame sees its two neighbours
    other = x.clone()
    other[:, 10:13] += 1
    assert torch.allclose(net(x, hidden), net(other, hidden), atol=1e-6)
    assert (net(x) - net(other)).abs().max() > 1e-3
    assert not torch.allclose(net.frames(x), net.frames(other))


def test_order_is_told_by_neighbours_and_not_by_the_place():
    net, x = made(), torch.randn(1, 30, 8)
    assert not torch.allclose(net(x.flip(1)).flip(1), net(x), atol=1e-3)
    quiet = torch.zeros(1, 60, 8)
    early, late = quiet.clone(), quiet.clone()
    early[:, 20:23], late[:, 30:33] = 1, 1
    assert torch.allclose(net(early)[:, 21], net(late)[:, 31], atol=1e-5)


def test_attention_is_what_the_blocks_use():
    net, x = made(), torch.randn(2, 30, 8)
    weights = net.attention(x)
    assert weights.shape == (3, 2, 4, 30, 30)
    assert torch.allclose(weights.sum(-1), torch.ones(()))
    h, mix = net.layers(x)[1], net.mixing[2]
    v = mix.inward(net.norms[4](h)).view(2, 30, 3, 4, 8).permute(2, 0, 3, 1, 4)[2]
    by_hand = mix.outward((weights[2] @ v).transpose(1, 2).reshape(2, 30, 32))
    assert torch.allclose(by_hand, mix(net.norms[4](h)), atol=1e-5)


def test_a_width_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="width must be a multiple of 16 and of the 4 heads"):
        FrameEncoder(8, 5, width=40)
