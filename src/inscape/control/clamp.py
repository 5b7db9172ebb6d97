"""Clamp: keep a coordinate within bounds, moving nothing that is within them already.

    h ← h + (clip(h·d, low, high) − h·d) d         d a unit direction

With low = high it is held at a value; with one bound it is a floor or a ceiling: a feature that is
never allowed to fall silent, or never to be loud. Activations that keep the bound are left as they
are, which adding a vector does not do.

Reference: Templeton et al. (2024), Scaling monosemanticity, Transformer Circuits Thread (feature
clamping).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from inscape.core.edit import Edit, Numbers


@dataclass(frozen=True)
class Clamp(Edit):
    """Keep the coordinate along a direction between two bounds.

    Attributes:
        direction: (d,), any length but zero; it is made a unit vector.
        low: least value of the coordinate, in the unit of the activations; −inf for none.
        high: greatest value; inf for none.

    Raises:
        ValueError: a direction that is zero or not (d,), or bounds that leave nothing between them.

    Example:
        >>> from inscape.core.edit import Scope
        >>> floor = Clamp(Scope("embed"), torch.tensor([2.0, 0.0]), low=1.0)
        >>> floor.apply(torch.tensor([[-3.0, 5.0], [4.0, 5.0]])).tolist()
        [[1.0, 5.0], [4.0, 5.0]]
    """

    direction: Numbers = field(default_factory=lambda: torch.ones(1))
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        self.take("direction")
        size = float(self.direction.double().norm())
        if self.direction.ndim != 1 or not size > 0:
            raise ValueError(
                f"Clamp: direction must be one vector (d,) that is not zero, got {self.direction}"
            )
        if not self.low <= self.high or self.low == math.inf or self.high == -math.inf:
            raise ValueError(f"Clamp: low must be at most high, got {self.low} and {self.high}")
        object.__setattr__(self, "direction", self.direction / size)

    def apply(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        d = self.direction.to(device=h.device, dtype=h.dtype)
        along = h @ d
        return h + (along.clamp(self.low, self.high) - along)[..., None] * d
