"""Alignment maps: bijections z = φ(h) of a representation, in whose coordinates a variable of an
algorithm is looked for.

    subset      z = h, permuted: a learned choice of k coordinates               (no mixing)
    rotation    z = R h, R orthogonal                                            (linear: distributed alignment search)
    revnet      z = R φ(h), φ additive couplings between fixed random rotations  (non-linear, exactly invertible)

    coupling    (a, b) ↦ (a + f(b), b), then (a, b + g(a));   f, g two-layer perceptrons; undone by subtracting

An interchange puts the source's first k coordinates into the base: φ⁻¹([φ(h_source)₁…ₖ,
φ(h_base)ₖ₊₁…_d]). The richer the map, the less its success says: with no bound on φ any network can
be aligned with any algorithm, so report accuracy beside that of a network with random weights,
against the capacity of the map.

Reference: Geiger et al. (2023), arXiv:2303.02536 (DAS); Wu et al. (2023), arXiv:2305.08809 (learned
boundaries); Sutter et al. (2025), The non-linear representation dilemma, arXiv:2507.08802; Gomez et
al. (2017), arXiv:1707.04585 (RevNet).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal


class AlignmentMap(nn.Module):
    """A bijection of (batch, d) with learned parts; see the module for the kinds.

    Args:
        width: d.
        variable: k, coordinates that stand for the variable.
        generator: of the initial weights.
    """

    def __init__(self, width: int, variable: int, generator: torch.Generator) -> None:
        super().__init__()
        if not 1 <= variable <= width:
            raise ValueError(
                f"{type(self).__name__}: variable must be 1 to {width} coordinates, got {variable}"
            )
        self.width, self.variable, self.generator = width, variable, generator

    def forward(self, h: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        """φ."""
        raise NotImplementedError

    def inverse(self, z: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        """φ⁻¹."""
        raise NotImplementedError

    def mask(self) -> Float[Tensor, " d"]:
        """How much of each coordinate is the variable's, 0 to 1."""
        return (torch.arange(self.width) < self.variable).float()

    def interchange(
        self, base: Float[Tensor, "batch d"], source: Float[Tensor, "batch d"]
    ) -> Float[Tensor, "batch d"]:
        """The base with the source's value of the variable."""
        z, mask = self(base), self.mask().to(base)
        return self.inverse(z + mask * (self(source) - z))


class SubsetMap(AlignmentMap):
    """A choice of k coordinates as they are: the k of highest learned weight, relaxed to a soft
    mask while it is trained.
    """

    def __init__(self, width: int, variable: int, generator: torch.Generator) -> None:
        super().__init__(width, variable, generator)
        self.weight = nn.Parameter(0.1 * torch.randn(width, generator=generator))

    def forward(self, h: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        return h

    def inverse(self, z: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        return z

    def mask(self) -> Float[Tensor, " d"]:
        if self.training:
            # a threshold between the k-th and the next weight makes about k coordinates the
            # variable's
            top = self.weight.detach().sort(descending=True).values
            line = (top[self.variable - 1] + top[min(self.variable, self.width - 1)]) / 2
            return torch.sigmoid(4 * (self.weight - line))
        chosen = torch.zeros(self.width)
        chosen[self.weight.detach().topk(self.variable).indices] = 1
        return chosen


class RotationMap(AlignmentMap):
    """An orthogonal change of basis: distributed alignment search."""

    def __init__(self, width: int, variable: int, generator: torch.Generator) -> None:
        super().__init__(width, variable, generator)
        self.rotate = _rotation(width, generator)

    def forward(self, h: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        return self.rotate(h)

    def inverse(self, z: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        return z @ self.rotate.weight


class BoundlessMap(RotationMap):
    """A rotation whose variable's width is learned: a soft boundary at `variable` coordinates to
    begin with.

    While it is trained the boundary is soft, ``sigmoid((boundary − i) / temperature)``; afterwards
    it is sharp.
    """

    def __init__(
        self, width: int, variable: int, generator: torch.Generator, temperature: float = 1.0
    ) -> None:
        super().__init__(width, variable, generator)
        self.boundary = nn.Parameter(torch.tensor(float(variable)))
        self.temperature = temperature

    def mask(self) -> Float[Tensor, " d"]:
        places = torch.arange(self.width) + 0.5
        soft = torch.sigmoid((self.boundary - places) / self.temperature)
        return soft if self.training else (soft > 0.5).float()


class RevNetMap(AlignmentMap):
    """A stack of additive coupling pairs, each after a fixed random rotation, and a learned
    rotation at the end.

    Args:
        width: d, at least 2.
        variable: k.
        generator: of the initial weights.
        pairs: coupling pairs; 0 leaves the rotation alone.
        hidden: units of each coupling's perceptron.
    """

    def __init__(
        self,
        width: int,
        variable: int,
        generator: torch.Generator,
        pairs: int = 4,
        hidden: int = 128,
    ) -> None:
        super().__init__(width, variable, generator)
        if width < 2:
            raise ValueError("RevNetMap: a coupling needs a width of at least 2")
        self.half = width // 2
        turns = torch.linalg.qr(torch.randn(pairs, width, width, generator=generator)).Q
        self.register_buffer("turns", turns)
        self.rotate = _rotation(width, generator)
        sizes = (self.half, width - self.half)
        self.first = nn.ModuleList(
            _perceptron(sizes[1], hidden, sizes[0], generator) for _ in range(pairs)
        )
        self.second = nn.ModuleList(
            _perceptron(sizes[0], hidden, sizes[1], generator) for _ in range(pairs)
        )

    def forward(self, h: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        z = h
        for turn, f, g in zip(self.turns, self.first, self.second, strict=True):
            a, b = (z @ turn.T).split([self.half, self.width - self.half], dim=1)
            a = a + f(b)
            z = torch.cat([a, b + g(a)], dim=1)
        return self.rotate(z)

    def inverse(self, z: Float[Tensor, "batch d"]) -> Float[Tensor, "batch d"]:
        h = z @ self.rotate.weight
        for turn, f, g in reversed(list(zip(self.turns, self.first, self.second, strict=True))):
            a, b = h.split([self.half, self.width - self.half], dim=1)
            b = b - g(a)
            h = torch.cat([a - f(b), b], dim=1) @ turn
        return h


def _rotation(width: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(width, width, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.linalg.qr(torch.randn(width, width, generator=generator)).Q)
    return orthogonal(layer, orthogonal_map="matrix_exp" if width <= 64 else "householder")


def _perceptron(width: int, hidden: int, out: int, generator: torch.Generator) -> nn.Sequential:
    made = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))
    with torch.no_grad():
        for layer, scale in ((made[0], width**-0.5), (made[2], 0.1 * hidden**-0.5)):
            layer.weight.copy_(scale * torch.randn(layer.weight.shape, generator=generator))
            layer.bias.zero_()
    return made
