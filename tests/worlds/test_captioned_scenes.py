"""Captioned scenes: what a caption says is what the picture shows."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from inscape.worlds.captioned_scenes import (
    COLOURS,
    COUNTS,
    SIDE,
    distinct_scenes,
    every_scene,
    factor_accuracy,
    factor_loss,
    ink_hues,
    moved_scenes,
    one_hot_factors,
    scene_numbers,
    scenes,
    split_scenes,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_scene_has_a_caption_of_its_own():
    factors = every_scene()
    made = scenes(factors, rng=rng())
    assert len(factors) == np.prod(COUNTS) == len(set(made.captions)) == 540
    assert torch.equal(made.factors, torch.from_numpy(factors))
    assert scene_numbers(factors[::-1]).tolist() == list(range(539, -1, -1))


def test_a_split_holds_out_combinations_at_random():
    known, held = split_scenes(100, rng=rng())
    numbers = [scene_numbers(side) for side in (known, held)]
    assert [len(side) for side in numbers] == [440, 100]
    assert sorted(np.concatenate(numbers)) == list(range(540))
    other = scene_numbers(split_scenes(100, rng=rng(1))[1])
    assert len(set(numbers[1]) & set(other)) < 50  # 18.5 expected of two random choices
    for size in (0, 540):
        with pytest.raises(ValueError, match="split_scenes: held must be"):
            split_scenes(size, rng=rng())


def test_place_colour_and_size_are_those_of_the_picture():
    factors = every_scene()
    made = scenes(factors, rng=rng())
    ink = made.images.sum(1).clamp(min=0) ** 2
    grid = (torch.arange(SIDE) + 0.5) / SIDE * 3
    down = (ink.sum(2) @ grid) / ink.sum((1, 2))
    across = (ink.sum(1) @ grid) / ink.sum((1, 2))
    place = made.factors[:, 3]
    assert (down.floor() == place // 3).float().mean() > 0.95
    assert (across.floor() == place % 3).float().mean() > 0.95
    inside = made.images.sum(1, keepdim=True) > 0.75
    mean = (made.images * inside).sum((2, 3)) / inside.sum((2, 3))
    colours = torch.tensor(list(COLOURS.values()))
    assert (torch.cdist(mean, colours).argmin(1) == made.factors[:, 1]).float().mean() > 0.95
    area = inside.sum((1, 2, 3)).float()
    for shape in range(COUNTS[0]):
        own = made.factors[:, 0] == shape
        small, large = (area[own & (made.factors[:, 2] == s)].mean() for s in (0, 1))
        assert large > 1.8 * small


def test_noise_and_place_in_the_cell_are_drawn_anew():
    one, same, other = (scenes(every_scene()[:3], rng=rng(s)).images for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_hues_are_those_of_the_paint_and_red_lies_on_both_sides_of_zero():
    factors = every_scene()
    made = scenes(factors[factors[:, 1] < 5], rng=rng())
    hues = ink_hues(made.images, 60, rng=rng(1))
    for c, paint in enumerate(list(COLOURS.values())[:5]):
        own = hues[made.factors[:, 1] == c]
        apart = (own - colorsys.rgb_to_hsv(*paint)[0] + 0.5) % 1 - 0.5
        assert abs(np.median(apart)) < 0.02
        assert np.quantile(abs(apart), 0.9) < 0.12
    red = hues[made.factors[:, 1] == 0]
    assert (red < 0.1).any(axis=1).mean() > 0.9
    assert (red > 0.9).any(axis=1).mean() > 0.9
    white = scenes(factors[factors[:, 1] == 5][:2], rng=rng())
    with pytest.raises(ValueError, match="leave white shapes out"):
        ink_hues(torch.ones_like(white.images), rng=rng())


def test_the_loss_and_the_accuracy_are_of_the_four_factors():
    factors = torch.tensor([[0, 1, 0, 2], [4, 5, 1, 8]])
    right = torch.cat([torch.eye(c)[f] for c, f in zip(COUNTS, factors.T, strict=True)], 1) * 50
    assert factor_loss(right, factors) < 1e-6
    assert factor_loss(0 * right, factors).item() == pytest.approx(np.log(COUNTS).sum(), rel=1e-5)
    assert factor_accuracy(right, factors).tolist() == [1, 1]
    wrong = factors.clone()
    wrong[0, 0], wrong[0, 3] = 1, 3
    assert factor_accuracy(right, wrong).tolist() == [0.5, 1]


def test_a_moved_scene_is_the_picture_shifted_and_brightened():
    made = scenes(np.array([[1, 5, 1, 4]] * 40), rng=np.random.default_rng(0)).images
    moved = moved_scenes(made, rng=np.random.default_rng(1))
    assert moved.shape == made.shape
    assert not torch.allclose(moved, moved_scenes(made, rng=np.random.default_rng(2)), atol=0.5)
    white = [(x.mean(dim=1) > 0.45).flatten(1).sum(dim=1).double() for x in (made, moved)]
    assert (
        abs(white[1].mean() / white[0].mean() - 1) < 0.1
    )  # what is white stays, and nothing leaves
    still = moved_scenes(made, rng=np.random.default_rng(1), shift=0)
    shares = [
        max(np.corrcoef(x.ravel(), y.ravel())[0, 1] for y in (z, z[..., ::-1]))
        for x, z in zip(made.numpy(), still.numpy(), strict=True)
    ]
    assert min(shares) > 0.8


def test_no_two_distinct_scenes_have_the_same_factors():
    made = distinct_scenes(540, which=rng(), rng=rng(1))
    assert len({tuple(f) for f in made.factors.tolist()}) == 540
    few, other = (distinct_scenes(50, which=rng(s), rng=rng(1)) for s in (0, 1))
    assert torch.equal(few.factors, made.factors[:50])
    assert not torch.equal(few.factors, other.factors)
    with pytest.raises(ValueError, match="there are 540 different scenes, got n = 541"):
        distinct_scenes(541, which=rng(), rng=rng(1))


def test_one_hot_factors_share_a_column_for_each_value_in_common():
    factors = torch.from_numpy(every_scene()[[0, 17, 300]])
    made = one_hot_factors(factors)
    assert made.shape == (3, sum(COUNTS))
    shared = (factors[:, None] == factors[None]).sum(dim=2).numpy()
    assert np.array_equal(made @ made.T, shared)
    assert shared[0, 1] == 2
