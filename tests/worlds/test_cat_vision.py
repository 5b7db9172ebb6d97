"""Cat vision: what the filter takes away, and how much of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.worlds.cat_vision import as_noisy, cat_view


def test_red_and_green_look_alike_and_blue_does_not():
    red, green, blue = (torch.zeros(1, 3, 9, 9) for _ in range(3))
    red[:, 0], green[:, 1], blue[:, 2] = 0.8, 0.8, 0.8
    seen = [cat_view(x) for x in (red, green, blue)]
    assert torch.allclose(seen[0], seen[1], atol=1e-6)
    assert (seen[0] - seen[2]).abs().max() > 0.5


def test_a_point_is_blurred_more_across_than_down_and_brightness_is_lifted():
    point = torch.zeros(1, 3, 21, 21)
    point[..., 10, 10] = 1.0
    spread = cat_view(point)[0, 2]
    assert spread[10, 13] > 2 * spread[13, 10]
    grey = torch.full((1, 3, 9, 9), 0.2)
    assert torch.allclose(cat_view(grey), torch.full_like(grey, 0.2**0.6), atol=1e-5)


def test_more_strength_changes_more():
    torch.manual_seed(0)
    x = torch.rand(2, 3, 12, 12)
    change = [(cat_view(x, s) - x).square().mean() for s in (0.0, 0.25, 0.5, 1.0)]
    assert change == sorted(change)
    assert change[0] == 0 < change[1]
    with pytest.raises(ValueError, match="strength must be between 0 and 1, got 2"):
        cat_view(x, 2.0)


def test_noise_is_as_strong_as_the_filter_and_not_its_change():
    x = torch.rand(60, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    seen = cat_view(x)
    change = (seen - x).flatten()
    noise = (as_noisy(x, seen, rng=np.random.default_rng(0)) - x).flatten()
    assert float(noise.square().mean()) == pytest.approx(float(change.square().mean()), rel=0.03)
    assert abs(float(noise.mean())) < 0.01
    assert abs(float(torch.corrcoef(torch.stack([noise, change]))[0, 1])) < 0.03
    assert torch.equal(as_noisy(x, x, rng=np.random.default_rng(0)), x)
