"""A small vision transformer and a small residual network: what blocks give, skips, and how far
they see.
"""

from __future__ import annotations

import pytest
import torch

from inscape.nets.small_resnet import SmallResnet
from inscape.nets.small_vit import (
    SmallVit,
    attention_distance,
    head_distances,
    middle_field,
    receptive_field,
)


def made(**more) -> SmallVit:
    torch.manual_seed(0)
    return SmallVit(3, 16, 5, width=16, blocks=3, **more).eval()


def test_blocks_end_in_what_the_head_reads_and_every_patch_reaches_the_class_token():
    net, x = made(), torch.randn(2, 3, 16, 16)
    layers = net.layers(x)
    assert [h.shape for h in layers] == [(2, 17, 16)] * 3
    assert torch.allclose(net(x), net.head(net.norms[-1](layers[-1][:, 0])))
    other = x.clone()
    other[:, :, -1, -1] += 1
    assert (net(other) - net(x)).abs().max() > 1e-5
    mean = made(token=False)
    assert mean.layers(x)[-1].shape == (2, 16, 16)
    assert torch.allclose(mean(x), mean.head(mean.norms[-1](mean.layers(x)[-1].mean(1))))


def test_a_block_without_skips_changes_what_follows_and_nothing_before():
    net, x = made(), torch.randn(2, 3, 16, 16)
    whole, cut = net.layers(x), net.layers(x, 1)
    assert torch.equal(whole[0], cut[0])
    mixed = net.mixing[1](net.norms[2](whole[0]))
    assert torch.allclose(cut[1], net.mlp[1](net.norms[3](mixed)))
    assert not torch.allclose(whole[1], cut[1])


def test_attention_is_what_the_blocks_use():
    net, x = made(), torch.randn(2, 3, 16, 16)
    weights = net.attention(x)
    assert weights.shape == (3, 2, 4, 17, 17)
    assert torch.allclose(weights.sum(-1), torch.ones(()))
    h = torch.cat([net.first.expand(2, -1, -1), net.patches(x).flatten(2).mT], 1) + net.place
    mix = net.mixing[0]
    v = mix.inward(net.norms[0](h)).view(2, 17, 3, 4, 4).permute(2, 0, 3, 1, 4)[2]
    by_hand = mix.outward((weights[0] @ v).transpose(1, 2).reshape(2, 17, 16))
    assert torch.allclose(by_hand, mix(net.norms[0](h)), atol=1e-5)


def test_distance_of_attention_of_known_weights():
    here = torch.eye(9)
    assert attention_distance(here, 4) == 0
    right = torch.zeros(9, 9)
    for i in range(9):
        right[i, i + 1 if i % 3 < 2 else i - 1] = 0.5  # the rest went to a class token
    assert attention_distance(right, 4) == 4


@pytest.mark.parametrize("token", [True, False])
def test_heads_attend_as_far_as_the_weights_between_patches_say(token):
    net, x = made(token=token), torch.randn(2, 3, 16, 16)
    found = head_distances(net, x)
    assert found.shape == (3, 4)
    assert not found.requires_grad
    place = [(4.0 * (i // 4), 4.0 * (i % 4)) for i in range(16)]
    weights = net.attention(x)[1, :, 2, int(token) :, int(token) :]  # block 1, head 2
    slow = []
    for picture in weights.tolist():
        for i, row in enumerate(picture):
            far = [
                w * ((place[i][0] - r) ** 2 + (place[i][1] - c) ** 2) ** 0.5
                for w, (r, c) in zip(row, place, strict=True)
            ]
            slow.append(sum(far) / sum(row))
    assert float(found[1, 2]) == pytest.approx(sum(slow) / len(slow), rel=1e-5)
    assert found.min() > 0
    assert found.std() > 1e-4  # heads differ


def test_the_receptive_field_of_a_known_sum():
    x = torch.zeros(2, 3, 9, 9, requires_grad=True)
    corner = x[:, :1, 4, 4] + 0 * x[:, :1, 0, 0]
    assert receptive_field(corner, x, (4.5, 4.5)) == 0
    away = x[:, :1, 4, 8] + x[:, :1, 4, 4]
    assert receptive_field(away, x, (4.5, 4.5)) == 2
    torch.manual_seed(0)
    net, shown = SmallResnet(3, 4, width=4).eval(), torch.randn(2, 3, 24, 24, requires_grad=True)
    # three convolutions of 3 × 3 see three pixels to each side
    found = receptive_field(net.layers(shown)[0][:, :, 12, 12], shown, (12.5, 12.5))
    assert 0.3 < found < 3 * 2**0.5


@pytest.mark.parametrize("token", [True, False])
def test_the_middle_of_tokens_and_of_maps(token):
    net, x = made(token=token), torch.randn(2, 3, 16, 16, requires_grad=True)
    patch = net.layers(x)[1][:, int(token) + 4 * 2 + 2]  # row 2, column 2 of 4 × 4
    expected = receptive_field(patch, x, (10.0, 10.0))
    assert middle_field(net, x.detach(), 1) == pytest.approx(float(expected), rel=1e-5)
    assert middle_field(net, x.detach(), 1) != pytest.approx(
        middle_field(net, x.detach()), rel=1e-3
    )
    torch.manual_seed(0)
    plain, shown = SmallResnet(3, 4, width=4).eval(), torch.randn(2, 3, 24, 24, requires_grad=True)
    halved = plain.layers(shown)[3][:, :, 6, 6]
    expected = receptive_field(halved, shown, (13.0, 13.0))
    assert middle_field(plain, shown.detach(), 3) == pytest.approx(float(expected), rel=1e-5)
    assert middle_field(plain, shown.detach()) < middle_field(plain, shown.detach(), 3)


def test_sides_of_residual_blocks_halve_and_their_skips_carry():
    torch.manual_seed(0)
    net, x = SmallResnet(3, 4, width=4).eval(), torch.randn(2, 3, 24, 24)
    layers = net.layers(x)
    assert [h.shape[2] for h in layers] == [24, 24, 24, 12, 12, 12, 6, 6]
    block = net.blocks[1]
    assert torch.allclose(layers[1], torch.relu(layers[0] + block.branch(layers[0])))
    assert torch.allclose(net(x), net.head(layers[-1].mean(dim=(2, 3))))


def test_patches_divide_the_picture():
    with pytest.raises(ValueError, match="side 18 is no multiple of the patch's 4"):
        SmallVit(3, 18, 5)


def test_heads_divide_widths_and_patches_make_a_square():
    with pytest.raises(ValueError, match="width 18 is no multiple of its 4 heads"):
        SmallVit(3, 24, 10, width=18)
    with pytest.raises(
        ValueError, match="37 tokens are no square of patches; leave the class token"
    ):
        attention_distance(torch.ones(1, 37, 37), 4)
