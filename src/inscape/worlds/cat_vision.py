"""Cat vision: pictures as an eye with two kinds of cone, less acuity, a vertical slit and more gain
in the dark sees them.

    colour    red and green become their mean (two cones; blue is kept), by a share of `strength`
    acuity    Gaussian blur of 1.2 pixels · strength both ways
    slit      Gaussian blur of 1.0 pixels · strength more from left to right: a vertical slit is narrow across
    gain      value ^ (1 − 0.4 strength), which lifts what is dark

A stand-in made of what is known of cats' eyes, whose strength goes from nothing (0) to full (1).

Cost: two small convolutions.
Reference: Clark and Clark (2016), Neutral point testing of color vision in the domestic cat; Banks
et al. (2015), Science Advances 1 (slit pupils).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

#: blur both ways, more blur across (pixels), and what the exponent of brightness loses at full
# strength
ACUITY, SLIT, GAIN = 1.2, 1.0, 0.4


def cat_view(images: Float[Tensor, "n 3 h w"], strength: float = 1.0) -> Float[Tensor, "n 3 h w"]:
    """Pictures through the filter.

    Args:
        images: red, green and blue, about between 0 and 1; what is outside is cut off where
            strength is not 0.
        strength: from 0, which changes nothing, to 1.

    Raises:
        ValueError: a strength outside.

    Example:
        >>> x = torch.rand(2, 3, 8, 8)
        >>> torch.equal(cat_view(x, 0.0), x)
        True
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"cat_view: strength must be between 0 and 1, got {strength}")
    if strength == 0:
        return images
    red, green, blue = images.clamp(0, 1).unbind(dim=1)
    mean = (red + green) / 2
    two = torch.stack([torch.lerp(c, mean, strength) for c in (red, green)] + [blue], dim=1)
    across = (ACUITY**2 + SLIT**2) ** 0.5 * strength
    blurred = _blurred(_blurred(two, ACUITY * strength, 2), across, 3)
    return blurred ** (1 - GAIN * strength)


def as_noisy(
    images: Float[Tensor, "n ..."], changed: Float[Tensor, "n ..."], *, rng: np.random.Generator
) -> Float[Tensor, "n ..."]:
    """Pictures with normal noise on every pixel, as strong as a filter's change of them: a control
    for what any change of that size does.

    ::

        x + ε,   ε ~ N(0, mean (x' − x)²)

    Args:
        images: x, of any shape.
        changed: x', the same pictures through the filter.
        rng: of the noise.

    Example:
        >>> x = torch.zeros(50, 3, 8, 8)
        >>> noise = as_noisy(x, x + 0.2, rng=np.random.default_rng(0))
        >>> round(float(noise.std()), 2)
        0.2
    """
    change = float((changed - images).square().mean() ** 0.5)
    noise = rng.normal(scale=change, size=images.shape)
    return images + torch.from_numpy(noise).float()


def _blurred(images: Tensor, width: float, axis: int) -> Tensor:
    reach = max(1, round(3 * width))
    line = torch.exp(-((torch.arange(-reach, reach + 1) / width) ** 2) / 2).to(images.dtype)
    kernel = (line / line.sum()).view((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))
    edge = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
    padded = F.pad(images, edge, mode="replicate")
    return F.conv2d(padded, kernel.expand(images.shape[1], -1, -1, -1), groups=images.shape[1])
