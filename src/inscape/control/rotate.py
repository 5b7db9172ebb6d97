"""Rotate: turn activations within a plane; their norm, and everything outside the plane, stays as
it is.

    (a, b) = (h·e₁, h·e₂)         (a, b) ← R(θ) (a, b)            by an angle θ
                                  (a, b) ← ‖(a, b)‖ (cos φ, sin φ)     to an angle φ

Adding a vector makes activations longer, which the next norm turns into a weaker version of
everything else in them; a rotation does not. With e₁ a concept's direction, turning to 0 puts all
that lies in the plane on the concept, to π/2 takes it out and keeps the length, to π puts it on the
opposite.

Reference: Vu and Nguyen (2025), Angular steering, arXiv:2510.26243.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from inscape.core.edit import Edit, Numbers, Scope, real_numbers


@dataclass(frozen=True)
class Rotate(Edit):
    """Turn the part of activations that lies in a plane, by an angle or to one.

    Attributes:
        plane: (2, d), orthonormal rows e₁ and e₂; `rotation` makes them of any two directions.
        angle: in radians, counted from e₁ towards e₂.
        to: whether the part is turned *to* the angle rather than *by* it.

    Raises:
        ValueError: rows that are not orthonormal, or an angle that is not a number.

    Example:
        >>> turn = Rotate(Scope("embed"), torch.eye(3)[:2], math.pi / 2)
        >>> turn.apply(torch.tensor([[1.0, 0.0, 7.0]])).round().abs().tolist()
        [[0.0, 1.0, 7.0]]
    """

    plane: Numbers = field(default_factory=lambda: torch.eye(2))
    angle: float = 0.0
    to: bool = False

    def __post_init__(self) -> None:
        self.take("plane")
        rows = self.plane.double()
        if (
            rows.ndim != 2
            or len(rows) != 2
            or not torch.allclose(rows @ rows.T, torch.eye(2).double(), atol=1e-4)
        ):
            raise ValueError(
                "Rotate: plane must be (2, d) with orthonormal rows; rotation(...) makes them"
            )
        if not math.isfinite(self.angle):
            raise ValueError(f"Rotate: angle must be a number of radians, got {self.angle}")

    def apply(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        plane = self.plane.to(device=h.device, dtype=h.dtype)
        inside = h @ plane.T
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        if self.to:
            turned = inside.norm(dim=-1, keepdim=True) * torch.tensor(
                [cos, sin], device=h.device, dtype=h.dtype
            )
        else:
            turned = inside @ torch.tensor(
                [[cos, sin], [-sin, cos]], device=h.device, dtype=h.dtype
            )
        return h + (turned - inside) @ plane


def rotation(
    scope: Scope,
    concept: Numbers,
    other: Numbers,
    angle: float,
    to: bool = False,
) -> Rotate:
    """A rotation in the plane of two directions, e₁ along the concept.

    Args:
        scope: where it acts.
        concept: the direction that angles are counted from, (d,).
        other: any second direction; what of it is orthogonal to the concept is e₂.
        angle: in radians.
        to: turn to the angle rather than by it.

    Raises:
        ValueError: the two directions span no plane.
    """
    given = real_numbers("rotation: concept", concept)
    first, away = given.double(), real_numbers("rotation: other", other).double()
    first = first / first.norm()
    second = away - (away @ first) * first
    if not bool(second.norm() > 1e-6 * away.norm()) or not bool(torch.isfinite(first).all()):
        raise ValueError(
            "rotation: the two directions are parallel or zero, so they span no plane; give "
            "another one"
        )
    return Rotate(
        scope, torch.stack([first, second / second.norm()]).to(given.dtype), float(angle), to
    )
