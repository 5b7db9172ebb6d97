"""Two towers: each side is embedded without the other."""

from __future__ import annotations

import torch

from inscape.nets.image_text import ImageText


def test_towers_do_not_see_each_other():
    torch.manual_seed(0)
    net = ImageText(7, 5, 3, width=4).eval()
    images, texts = torch.randn(4, 3, 24, 24), torch.randn(4, 7)
    one, other = net(images, texts)
    assert torch.equal(one, net.image(images))
    assert torch.equal(other, net.text(texts))
    assert torch.equal(net(images, texts.flip(0))[0], one)
