"""Edits: what runs inside a forward pass.

An edit is a frozen callable of tensors with a scope. It is made by a fitted estimator
(``est.edit()``) or by hand, acts on the activations of the sites its scope names, and composes with
others in the order given. The model applies it and removes it; an edit holds no hook and no state.

Vectors and matrices are taken as tensors, NumPy arrays or lists of numbers; whole numbers become
float32, and what is not finite is refused.

For activations ``h`` of shape (batch, positions, d), or (batch, d) in a network without positions::

    Add(v, strength)          h + strength · v
    ProjectOut(B)             h − (h Bᵀ)(B Bᵀ)⁻¹ B            rows of B span what is removed
    SetComponent(B, c)        h + (c − h Bᵀ) B                 rows of B orthonormal; c broadcasts to (…, k)
    Affine(A, b)              h Aᵀ + b
    Replace(x)                x                                broadcasts to h
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

#: what an edit takes as numbers; it keeps a tensor of floating point
Numbers: TypeAlias = Tensor | np.ndarray | Sequence[Any] | float | int | np.number


@dataclass(frozen=True)
class Scope:
    """Where an edit acts.

    Attributes:
        sites: site patterns, as `inscape.core.site.select` reads them.
        positions: ``"all"`` real tokens; ``"last"`` token of the prompt; a tuple of positions
            (negative from the end of the prompt); or ``"mark:NAME"``, the positions that the batch
            marks under that name.
        phase: ``"prompt"``: positions of the prompt only; ``"generated"``: tokens made by
            `generate` only; ``"all"``.
    """

    sites: str | tuple[str, ...]
    positions: str | tuple[int, ...] = "all"
    phase: str = "all"

    def __post_init__(self) -> None:
        if self.phase not in ("all", "prompt", "generated"):
            raise ValueError(
                f"Scope: phase must be 'all', 'prompt' or 'generated', got {self.phase!r}"
            )
        known = self.positions in ("all", "last") or str(self.positions).startswith("mark:")
        if isinstance(self.positions, str) and not known:
            raise ValueError(
                "Scope: positions must be 'all', 'last', 'mark:NAME' or a tuple of integers, got "
                f"{self.positions!r}"
            )


@dataclass(frozen=True)
class Edit(ABC):
    """A frozen map of activations with a scope; see the module for the forms."""

    scope: Scope

    def __post_init__(self) -> None:
        self.take()

    def take(self, *names: str) -> None:
        """Check the scope, and make tensors of floating-point numbers of what was given under these
        names; an edit's ``__post_init__`` calls it.

        Raises:
            TypeError: a scope that is none, or something that is no array of numbers.
            ValueError: numbers that are complex or not finite.
        """
        kind = type(self).__name__
        if not isinstance(self.scope, Scope):
            raise TypeError(
                f"{kind}: the scope must be Scope(sites, …), such as Scope('resid_post.3'), got "
                f"{self.scope!r}"
            )
        for name in names:
            object.__setattr__(self, name, real_numbers(f"{kind}: {name}", getattr(self, name)))

    @abstractmethod
    def apply(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """The edited activations, same shape and dtype; `h` itself is left as it was."""


def real_numbers(what: str, value: Any) -> Tensor:
    """Numbers as a tensor of floating point; one that is such a tensor is returned as it is.

    Args:
        what: whose they are, for the error.
        value: a tensor, an array, a list of numbers or a number.

    Raises:
        TypeError: it is none of them.
        ValueError: numbers that are complex or not finite.
    """
    if not isinstance(value, Tensor):
        try:
            value = torch.as_tensor(np.asarray(value))
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{what} must be a tensor, an array or a list of numbers, got "
                f"{type(value).__name__}"
            ) from error
    if value.is_complex():
        raise ValueError(f"{what} is complex; give real numbers, such as its .real")
    if not value.is_floating_point():
        value = value.float()
    if not bool(torch.isfinite(value).all()):
        raise ValueError(f"{what} holds NaN or infinite numbers; give finite ones")
    return value


def _like(value: Any, h: Tensor) -> Tensor:
    return value.to(device=h.device, dtype=h.dtype)


@dataclass(frozen=True)
class Add(Edit):
    """``h + strength · vector``; `vector` broadcasts to (batch, positions, d)."""

    vector: Numbers = field(default_factory=lambda: torch.zeros(1))
    strength: Numbers = 1.0

    def __post_init__(self) -> None:
        self.take("vector")
        strength = real_numbers("Add: strength", self.strength)
        # a number stays one; strengths that are learnt or differ between rows are a tensor
        if not isinstance(self.strength, Tensor):
            object.__setattr__(self, "strength", strength if strength.ndim else strength.item())

    def apply(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        strength = self.strength
        if isinstance(strength, Tensor):
            strength = _like(strength, h)
        return h + strength * _like(self.vector, h)


@dataclass(frozen=True)
class SetComponent(Edit):
    """Set the coordinates of ``h`` in an orthonormal basis, leaving the rest:
    ``h + (value − h Bᵀ) B``.

    With ``value = 0`` this removes the subspace; with the coordinates' mean it is mean ablation;
    with another example's coordinates it is directional patching (Tigges et al. 2023,
    arXiv:2310.15154).
    """

    basis: Numbers = field(default_factory=lambda: torch.zeros(1, 1))
    value: Numbers = field(default_factory=lambda: torch.zeros(1))

    def __post_init__(self) -> None:
        self.take("basis", "value")
        gram = self.basis.double() @ self.basis.double().T
        if self.basis.ndim != 2 or not torch.allclose(
            gram, torch.eye(len(gram), dtype=gram.dtype), atol=1e-4
        ):
            raise ValueError(
                "SetComponent: basis must be (k, d) with orthonormal rows; use ProjectOut.of(...) "
                "or torch.linalg.qr"
            )

    def apply(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        basis = _like(self.basis, h)
        return h + (_like(self.value, h) - h @ basis.T) @ basis


@dataclass(frozen=True)
class ProjectOut(Edit):
    """Remove a subspace: ``h − (h Qᵀ) Q`` with ``Q`` an orthonormal basis of the rows of
    `directions`.
    """

    directions: Numbers = field(default_factory=lambda: torch.ones(1, 1))

    def __post_init__(self) -> None:
        self.take("directions")
        rows = torch.atleast_2d(self.directions).double()
        if torch.linalg.matrix_rank(rows) < len(rows):
            raise ValueError("ProjectOut: directions must be linearly independent rows, (k, d)")
        object.__setattr__(
            self, "directions", torch.linalg.qr(rows.T).Q.T.to(self.directions.dtype)
        )

    def apply(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        q = _like(self.directions, h)
        return h - (h @ q.T) @ q


@dataclass(frozen=True)
class Affine(Edit):
    """``h Aᵀ + b``: what a linear eraser or a learned map does."""

    weight: Numbers = field(default_factory=lambda: torch.ones(1, 1))
    bias: Numbers = field(default_factory=lambda: torch.zeros(1))

    def __post_init__(self) -> None:
        self.take("weight", "bias")

    def apply(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return h @ _like(self.weight, h).T + _like(self.bias, h)


@dataclass(frozen=True)
class Replace(Edit):
    """Put `value` in place of the activations; it broadcasts to (batch, positions, d).

    With `columns`, only those coordinates (neurons, say) are replaced and `value` broadcasts to
    their shape.
    """

    value: Numbers = field(default_factory=lambda: torch.zeros(1))
    columns: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        self.take("value")

    def apply(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        if self.columns is None:
            # a copy: what reads the activations next may write into them
            return _like(self.value, h).expand_as(h).clone()
        out = h.clone()
        index = torch.tensor(self.columns, device=h.device)
        out[..., index] = _like(self.value, h).expand(*h.shape[:-1], len(self.columns))
        return out


def as_edits(edits: Any) -> list[Edit]:
    """None, one edit or several, as a list; anything else is refused."""
    if edits is None:
        return []
    found = [edits] if isinstance(edits, Edit) else list(edits)
    for edit in found:
        if not isinstance(edit, Edit):
            raise TypeError(
                f"edits must be inscape edits (Add, ProjectOut, …), got {type(edit).__name__}"
            )
    return found
