"""An edit at tokens of each row's own: where a scratchpad begins and ends differs from text to
text.

    h ← h + m ⊙ (edit(h) − h)          m: (batch, positions) of zeros and ones

A scope names the same positions for all rows of a batch, or marks that a batch carries; a
generation carries none. The mask is of the prompt, so the scope's phase must be ``"prompt"``: what
is generated after it is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inscape.core.edit import Add, Edit, Scope


@dataclass(frozen=True)
class Masked(Edit):
    """What another edit does, at some tokens of the prompt of each row; `masked` makes it.

    Attributes:
        edit: what is done there.
        mask: where, (batch, positions of the prompt).
    """

    edit: Edit = field(default_factory=lambda: Add(Scope("embed", phase="prompt")))
    mask: Bool[Tensor, "batch positions"] = field(
        default_factory=lambda: torch.zeros(1, 1, dtype=torch.bool)
    )

    def __post_init__(self) -> None:
        self.take()
        if self.scope.phase != "prompt":
            raise ValueError(
                "Masked: the mask is of the prompt, so the scope's phase must be 'prompt', got "
                f"{self.scope.phase!r}"
            )

    def apply(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        if h.shape[:-1] != self.mask.shape:
            raise ValueError(
                f"Masked: the mask is {tuple(self.mask.shape)} and the activations "
                f"{tuple(h.shape[:-1])}; give one for the "
                "rows and tokens of the very batch that is run"
            )
        return torch.where(self.mask.to(h.device)[..., None], self.edit.apply(h), h)


def masked(edits: list[Edit], mask: Bool[Tensor, "batch positions"]) -> list[Edit]:
    """The same edits, in the same scopes, at the tokens of a mask alone.

    Example:
        >>> add = Add(Scope("embed", phase="prompt"), torch.ones(1))
        >>> only, = masked([add], torch.tensor([[True, False]]))
        >>> only.apply(torch.zeros(1, 2, 1)).ravel().tolist()
        [1.0, 0.0]
    """
    return [Masked(edit.scope, edit, mask) for edit in edits]
