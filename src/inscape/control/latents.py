"""Steering through a dictionary: move some latents of a sparse code and leave what the code does
not say as it was.

With f = encode(h) the latents of a dictionary, any pair of callables, and f′ the same with some of
them changed,

    h ← h + decode(f′) − decode(f)

so the part of h that the dictionary does not reconstruct stays where it is, and where no latent
changes h does not either. Latents are set (``value``), scaled (``factor``; 0 takes them out), or
both: f′_i = factor · f_i + value.

Cost: two decodings and one encoding at every token.
Reference: Templeton et al. (2024), Scaling monosemanticity, §"Influence on behavior"; Marks et al.
(2024), Sparse feature circuits, arXiv:2403.19647, §2, for keeping the error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from inscape.core.edit import Edit

#: activations (…, d) → latents (…, m), or back
Code = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class MoveLatents(Edit):
    """Some latents of a dictionary changed, the dictionary's error kept.

    Attributes:
        encode: activations (…, d) → latents (…, m).
        decode: latents (…, m) → activations (…, d).
        latents: which, each below m.
        factor: what they are multiplied by; 0 by default, so that `value` is what they become.
        value: what is added.

    Example:
        >>> from inscape.core.edit import Scope
        >>> eye = torch.eye(2)
        >>> edit = MoveLatents(Scope("embed"), torch.relu, lambda f: f @ eye, (1,), value=3.0)
        >>> edit.apply(torch.tensor([[-1.0, 2.0]])).tolist()
        [[-1.0, 3.0]]
    """

    encode: Code = field(default=torch.relu)
    decode: Code = field(default=torch.clone)
    latents: tuple[int, ...] = ()
    factor: float = 0.0
    value: float = 0.0

    def __post_init__(self) -> None:
        self.take()
        if not self.latents or min(self.latents) < 0:
            raise ValueError(
                "MoveLatents: latents must be numbers from 0, at least one, got "
                f"{list(self.latents)}"
            )

    def apply(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        f = self.encode(h)
        if max(self.latents) >= f.shape[-1]:
            raise ValueError(
                f"MoveLatents: the dictionary has {f.shape[-1]} latents, and {max(self.latents)} "
                "was asked for"
            )
        moved = f.clone()
        which = list(self.latents)
        moved[..., which] = self.factor * f[..., which] + self.value
        return h + (self.decode(moved) - self.decode(f)).to(h.dtype)
