"""Digit views: one digit shifted and rotated on a canvas, twice for two views, or painted in one of
four styles.

What two views share is which digit was written and how; what they do not is place and angle. Styles
change colour and background and leave the digit: a network that is to know digits in a style that
it never saw must not lean on them.

    dark       a bright colour on black
    light      a dark colour on white
    noise      a bright colour on coloured noise
    stripes    a dark colour on bright diagonal stripes

Bright and dark ink alternate in this order: a network trained on two neighbouring styles has seen
both. One that has only seen bright ink takes a dark digit's background for the digit.

The digits are scikit-learn's (1,797 of 8 × 8, Alpaydin and Kaynak 1998). Training digits come
before the others in the file, whose writers are not those of the rest.

Cost: a millisecond for a hundred pictures.
Reference: for styles as domains, Gulrajani and Lopez-Paz (2020), DomainBed, arXiv:2007.01434.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional as F

from inscape.core.between import check_between

#: pixels along the canvas, pixels along a digit on it, training digits
SIDE, SIZE, KNOWN = 18, 12, 1297
STYLES = ("dark", "light", "noise", "stripes")


@lru_cache(maxsize=1)
def _digits() -> tuple[Tensor, Tensor]:
    values, names = load_digits(return_X_y=True)
    return torch.from_numpy(values.reshape(-1, 1, 8, 8) / 16).float(), torch.from_numpy(names)


def drawn_digits(
    n: int | None, known: bool, *, rng: np.random.Generator
) -> tuple[Float[Tensor, "n 1 8 8"], Int[Tensor, " n"]]:
    """Digits between 0 and 1, and what they are.

    Args:
        n: how many, drawn with replacement; None for all of them once, in order.
        known: training digits, or the others.
        rng: of the draw.

    Raises:
        ValueError: no digit.
    """
    if n is not None:
        check_between("drawn_digits: n", n, 1)
    images, names = _digits()
    pool = np.arange(KNOWN) if known else np.arange(KNOWN, len(images))
    rows = pool if n is None else rng.choice(pool, n)
    return images[rows], names[rows]


def moved(
    digits: Float[Tensor, "n 1 8 8"],
    *,
    rng: np.random.Generator,
    turn: float = 30.0,
    shift: float = 3.0,
    strength: float = 1.0,
) -> Float[Tensor, "n 1 18 18"]:
    """Each digit at a random place and angle on the canvas.

    Args:
        digits: (n, 1, 8, 8).
        rng: of places and angles.
        turn: largest rotation, degrees.
        shift: largest shift along each axis, pixels of the canvas.
        strength: both are multiplied by it; 0 leaves every digit upright in the middle.
    """
    n, turn, shift = len(digits), turn * strength, shift * strength
    angle = np.deg2rad(rng.uniform(-turn, turn, n))
    across, down = rng.uniform(-shift, shift, (2, n)) * 2 / SIDE
    c, s = np.cos(angle), np.sin(angle)
    # from the canvas back to the digit: undo the shift, then the rotation, then the size
    back = np.stack(
        [
            np.stack([c, s, -c * across - s * down], 1),
            np.stack([-s, c, s * across - c * down], 1),
        ],
        1,
    ) * (SIDE / SIZE)
    grid = F.affine_grid(torch.from_numpy(back).float(), [n, 1, SIDE, SIDE], align_corners=False)
    return F.grid_sample(digits, grid, align_corners=False)


def noisy(
    pictures: Float[Tensor, "n ..."], sd: float, *, rng: np.random.Generator
) -> Float[Tensor, "n ..."]:
    """Pictures with normal noise on every pixel.

    Args:
        pictures: of any shape.
        sd: standard deviation of the noise, in units of the pixels.
        rng: of the noise.
    """
    return pictures + sd * torch.from_numpy(rng.normal(size=pictures.shape)).float()


def labelled(
    n: int | None,
    known: bool,
    *,
    rng: np.random.Generator,
    turn: float = 30.0,
    shift: float = 3.0,
    names: Int[Tensor, " all"] | None = None,
) -> tuple[Float[Tensor, "n 1 18 18"], Int[Tensor, " n"]]:
    """Digits at random places and angles, and what they are: a batch for a classifier.

    Args:
        n: how many, drawn with replacement; None for all of them once, in order.
        known: training digits, or the others.
        rng: of digits, places and angles.
        turn: as in `moved`.
        shift: as in `moved`.
        names: what all 1,797 digits are called instead, in the file's order; for labels that are
            shuffled once.
    """
    digits, true = _digits()
    pool = np.arange(KNOWN) if known else np.arange(KNOWN, len(digits))
    rows = pool if n is None else rng.choice(pool, n)
    shown = moved(digits[rows], rng=rng, turn=turn, shift=shift)
    return shown, (true if names is None else names)[rows]


def shuffled_names(*, rng: np.random.Generator) -> Int[Tensor, " all"]:
    """Names of the 1,797 digits in random order, the same for every picture of one digit."""
    names = _digits()[1]
    return names[rng.permutation(len(names))]


def painted(
    shapes: Float[Tensor, "n 1 18 18"], style: str, *, rng: np.random.Generator
) -> Float[Tensor, "n 3 18 18"]:
    """Digits in colour on the background of a style.

    Args:
        shapes: how much of each pixel is digit, 0 to 1.
        style: one of `STYLES`.
        rng: of colours and backgrounds.

    Raises:
        ValueError: an unknown style.
    """
    if style not in STYLES:
        raise ValueError(f"painted: style must be one of {', '.join(STYLES)}, got {style!r}")
    n = len(shapes)
    bright, dark = rng.uniform(0.6, 1.0, (n, 3, 1, 1)), rng.uniform(0.0, 0.4, (n, 3, 1, 1))
    if style == "dark":
        ink, ground = bright, np.zeros((n, 3, SIDE, SIDE))
    elif style == "light":
        ink, ground = dark, np.ones((n, 3, SIDE, SIDE))
    elif style == "stripes":
        rows, columns = np.indices((SIDE, SIDE))
        phase = rng.integers(6, size=(n, 1, 1, 1))
        on = ((rows + columns)[None, None] + phase) % 6 < 3
        ink, ground = dark, np.where(on, bright, 1.0)
    else:
        ink, ground = bright, rng.uniform(0.0, 0.6, (n, 3, SIDE, SIDE))
    mask = shapes.numpy()
    return torch.from_numpy(mask * ink + (1 - mask) * ground).float()


def standard_painted(
    shapes: Float[Tensor, "n 1 18 18"], style: str, *, rng: np.random.Generator
) -> Float[Tensor, "n 3 18 18"]:
    """`painted`, with pixels scaled to a mean near 0 and a deviation near 1."""
    return (painted(shapes, style, rng=rng) - 0.5) / 0.25


def styled_digits(
    n: int, styles: Sequence[str], *, rng: np.random.Generator
) -> tuple[Float[Tensor, "n 3 18 18"], Int[Tensor, " n"]]:
    """Training digits at random places and angles, as many in each of several styles, and what they
    are: a batch for a classifier that is tested in another style.

    Args:
        n: how many in all, drawn with replacement; a multiple of the number of styles.
        styles: of `STYLES`; the first n / styles digits are in the first one, and so on.
        rng: of digits, places, angles and colours.

    Returns:
        Pictures with pixels scaled as `standard_painted` does, and the digits.

    Raises:
        ValueError: no digit, no style or an unknown one, or digits that cannot be shared out.

    Example:
        >>> pictures, names = styled_digits(8, ("dark", "light"), rng=np.random.default_rng(0))
        >>> pictures.shape, bool(pictures[:4].mean() < 0 < pictures[4:].mean())
        (torch.Size([8, 3, 18, 18]), True)
    """
    check_between("styled_digits: n", n, 1)
    if not styles or n % len(styles):
        raise ValueError(
            f"styled_digits: n must be a multiple of the styles, got {n} and {len(styles)}"
        )
    digits, names = labelled(n, True, rng=rng)
    parts = zip(digits.chunk(len(styles)), styles, strict=True)
    return torch.cat([standard_painted(x, style, rng=rng) for x, style in parts]), names
