"""Captioned scenes: pictures of one coloured shape, each with the sentence that says what is there.

    shape (5) × colour (6) × size (2) × place (9) = 540 scenes        "a large red circle in the upper left"

The factors are what picture and caption share; what they do not is where exactly in its cell the
shape lies, and the noise. A network of pictures and one of texts that both know the scene agree
about which scenes are alike.

Cost: a millisecond a hundred pictures.
Reference: after the shapes of Kuhnle and Copestake (2017), ShapeWorld, arXiv:1704.04517.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor
from torch.nn import functional as F

from inscape.core.between import check_between

#: pixels along a picture, standard deviation of the noise
SIDE, NOISE = 24, 0.1
SHAPES = ("circle", "square", "triangle", "cross", "ring")
COLOURS = {
    "red": (0.9, 0.1, 0.1),
    "green": (0.1, 0.7, 0.2),
    "blue": (0.1, 0.2, 0.9),
    "yellow": (0.9, 0.9, 0.1),
    "purple": (0.6, 0.1, 0.7),
    "white": (1.0, 1.0, 1.0),
}
SIZES = {"small": 2.2, "large": 3.6}
PLACES = (
    "in the upper left",
    "at the top",
    "in the upper right",
    "at the left",
    "in the middle",
    "at the right",
    "in the lower left",
    "at the bottom",
    "in the lower right",
)
#: how many values each factor has, in the order of a scene's columns
COUNTS = (len(SHAPES), len(COLOURS), len(SIZES), len(PLACES))


@dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes with pictures and captions.

    Attributes:
        images: (n, 3, 24, 24), about between 0 and 1.
        factors: shape, colour, size and place of each, (n, 4).
        captions: a sentence each.
    """

    images: Float[Tensor, "n 3 h w"]
    factors: Int[Tensor, "n 4"]
    captions: list[str]


def shape_masks(
    u: Float[np.ndarray, "n h w"], v: Float[np.ndarray, "n h w"]
) -> Bool[np.ndarray, "k n h w"]:
    """Which pixels lie in each of `SHAPES`.

    Args:
        u, v: of each pixel, how far right of and below the middle it is, in radii.
    """
    far = np.hypot(u, v)
    return np.stack(
        [
            far < 1,
            np.maximum(abs(u), abs(v)) < 0.9,
            (v < 0.8) & (v > 2 * abs(u) - 1.1),
            (np.minimum(abs(u), abs(v)) < 0.35) & (np.maximum(abs(u), abs(v)) < 1.1),
            (far < 1.1) & (far > 0.6),
        ]
    )


def every_scene() -> Int[np.ndarray, "n 4"]:
    """All 540 combinations of factors."""
    return np.array(list(product(*map(range, COUNTS))))


def scene_numbers(factors: Int[np.ndarray, "n 4"]) -> Int[np.ndarray, " n"]:
    """The place of each scene among `every_scene`.

    Args:
        factors: shape, colour, size and place of each.

    Example:
        >>> scene_numbers(every_scene()[[3, 539]]).tolist()
        [3, 539]
    """
    return np.ravel_multi_index(tuple(np.asarray(factors).T), COUNTS)


def scenes(factors: Int[np.ndarray, "n 4"], *, rng: np.random.Generator) -> Scenes:
    """Draw scenes.

    Args:
        factors: shape, colour, size and place of each.
        rng: of the place within the cell, and of the noise.

    Example:
        >>> made = scenes(np.array([[0, 0, 1, 0]]), rng=np.random.default_rng(0))
        >>> made.captions, tuple(made.images.shape)
        (['a large red circle in the upper left'], (1, 3, 24, 24))
    """
    shape, colour, size, place = np.asarray(factors).T
    n, cell = len(shape), SIDE / 3
    radius = np.array(list(SIZES.values()))[size][:, None, None]
    middle = np.stack([place // 3, place % 3]) * cell + cell / 2 + rng.uniform(-1, 1, (2, n))
    grid = np.indices((SIDE, SIDE)) + 0.5
    v, u = (grid[:, None] - middle[..., None, None]) / radius  # (n, side, side) each
    inside = shape_masks(u, v)[shape, np.arange(n)]
    paint = np.array(list(COLOURS.values()))[colour][:, :, None, None]
    images = inside[:, None] * paint + NOISE * rng.normal(size=(n, 3, SIDE, SIDE))
    sizes, colours = list(SIZES), list(COLOURS)
    captions = [
        f"a {sizes[s]} {colours[c]} {SHAPES[k]} {PLACES[p]}"
        for k, c, s, p in zip(shape, colour, size, place, strict=True)
    ]
    return Scenes(torch.from_numpy(images).float(), torch.from_numpy(np.asarray(factors)), captions)


def distinct_scenes(n: int, *, which: np.random.Generator, rng: np.random.Generator) -> Scenes:
    """Draw scenes of which no two have the same factors.

    Args:
        n: how many, at most 540.
        which: of the choice of factors.
        rng: of the pictures, as in `scenes`.

    Raises:
        ValueError: no scene; more than there are.
    """
    check_between("distinct_scenes: n", n, 1)
    every = every_scene()
    if n > len(every):
        raise ValueError(f"distinct_scenes: there are {len(every)} different scenes, got n = {n}")
    return scenes(every[which.permutation(len(every))[:n]], rng=rng)


def split_scenes(
    held: int, *, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "m 4"], Int[np.ndarray, "held 4"]]:
    """Divide the combinations of factors at random: some to train on, others to test.

    Args:
        held: how many are kept for the test, 1 to 539.
        rng: of the choice.

    Returns:
        The factors of the combinations to train on, and of those held out.

    Raises:
        ValueError: no combination is held out, or none is left.

    Example:
        >>> known, held = split_scenes(108, rng=np.random.default_rng(0))
        >>> len(known), len(held)
        (432, 108)
    """
    every = every_scene()
    check_between("split_scenes: held", held, 1, len(every) - 1)
    order = rng.permutation(len(every))
    return every[order[held:]], every[order[:held]]


def one_hot_factors(factors: Int[Tensor, "n 4"]) -> Float64[np.ndarray, "n values"]:
    """Each scene as which value each factor has: a 1 for every factor among Σ `COUNTS` columns.

    Args:
        factors: of `Scenes`.

    Example:
        >>> one_hot_factors(torch.tensor([[0, 5, 1, 8]])).nonzero()[1].tolist()
        [0, 10, 12, 21]
    """
    return np.concatenate(
        [np.eye(c)[f.numpy()] for c, f in zip(COUNTS, factors.T, strict=True)], axis=1
    )


def moved_scenes(
    images: Float[Tensor, "n 3 h w"], *, rng: np.random.Generator, shift: int = 4
) -> Float[Tensor, "n 3 h w"]:
    """Another view of each picture: moved on black, half of them mirrored, brighter or darker by up
    to 30 %, with fresh noise. Shape, colour and size stay; the place does not.

    Args:
        images: of scenes.
        rng: of everything.
        shift: largest, along each axis, pixels.
    """
    _, _, height, width = images.shape
    out = []
    for x in F.pad(images, (shift,) * 4):
        down, across = rng.integers(2 * shift + 1, size=2).tolist()
        x = x[:, down : down + height, across : across + width]
        out.append(x.flip(-1) if rng.random() < 0.5 else x)
    light = rng.uniform(0.7, 1.3, size=(len(out), 1, 1, 1))
    noise = NOISE * rng.normal(size=images.shape)
    return torch.stack(out) * torch.from_numpy(light).float() + torch.from_numpy(noise).float()


def factor_loss(scores: Float[Tensor, "n c"], factors: Int[Tensor, "n 4"]) -> Float[Tensor, ""]:
    """Cross-entropy of all factors, summed: the objective of a network that names what is in a
    scene.

    Args:
        scores: of every value of every factor side by side, Σ `COUNTS` of them.
        factors: the scenes' own.
    """
    parts = zip(scores.split(COUNTS, dim=1), factors.T, strict=True)
    return torch.stack([F.cross_entropy(part, own) for part, own in parts]).sum()


def factor_accuracy(
    scores: Float[Tensor, "n c"], factors: Int[Tensor, "n 4"]
) -> Float[Tensor, " n"]:
    """Share of the four factors of each scene that are named."""
    parts = zip(scores.split(COUNTS, dim=1), factors.T, strict=True)
    return torch.stack([part.argmax(1) == own for part, own in parts]).double().mean(dim=0)


def ink_hues(
    images: Float[Tensor, "n 3 h w"], each: int = 100, *, rng: np.random.Generator
) -> Float64[np.ndarray, "n each"]:
    """Hues of pixels of the shape, in turns: red lies on both sides of 0.

    Args:
        images: of scenes.
        each: pixels drawn from each picture, with replacement, among those that are bright and have
            a colour.
        rng: of the draw.

    Raises:
        ValueError: a picture without such a pixel (a white shape).
    """
    rgb = images.double().numpy().clip(0, 1).transpose(0, 2, 3, 1).reshape(len(images), -1, 3)
    most, span = rgb.max(axis=2), np.ptp(rgb, axis=2)
    r, g, b = np.moveaxis(rgb, 2, 0)
    safe = np.maximum(span, 1e-12)
    sixth = np.select(
        [most == r, most == g], [(g - b) / safe, 2 + (b - r) / safe], 4 + (r - g) / safe
    )
    ink = (most > 0.5) & (span > 0.4)
    if not ink.any(axis=1).all():
        raise ValueError(
            "ink_hues: a picture has no bright pixel with a colour; leave white shapes out"
        )
    hues = (sixth / 6) % 1.0
    return np.stack([rng.choice(own[at], each) for own, at in zip(hues, ink, strict=True)])
