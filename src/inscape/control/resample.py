"""Resample ablation: a component is not removed but taken from another example, so that it stays
what such states hold.

For a batch whose row i takes the component from row order[i], at the same position,

    h_i ← h_i + (h_order[i] − h_i) Bᵀ B          rows of B orthonormal; all of h where no basis is given

Zero and the mean are places where a network may never be; another example's value is one where it
is. Averaged over orders the effect is that of knowing the component's distribution and not its
value.

Cost: two thin products.
Reference: Chan et al. (2022), Causal scrubbing; Wang et al. (2022), arXiv:2211.00593, §3, on
choosing what to ablate to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.edit import Edit


@dataclass(frozen=True)
class Resample(Edit):
    """Each row's component replaced by another row's.

    Attributes:
        order: the donor of each row of the batch, (batch,).
        basis: orthonormal rows that span the component, (k, d); None for all of it.

    Example:
        >>> from inscape.core.edit import Scope
        >>> edit = Resample(Scope("embed"), torch.tensor([1, 0]), torch.tensor([[1.0, 0.0]]))
        >>> edit.apply(torch.tensor([[1.0, 2.0], [3.0, 4.0]])).tolist()
        [[3.0, 2.0], [1.0, 4.0]]
    """

    order: Int[Tensor, " batch"] = field(default_factory=lambda: torch.zeros(1, dtype=torch.int64))
    basis: Float[Tensor, "k d"] | None = None

    def __post_init__(self) -> None:
        self.take(*(() if self.basis is None else ("basis",)))
        if self.basis is not None:
            gram = self.basis.double() @ self.basis.double().T
            if not torch.allclose(gram, torch.eye(len(gram), dtype=gram.dtype), atol=1e-4):
                raise ValueError(
                    "Resample: basis must be (k, d) with orthonormal rows; use torch.linalg.qr"
                )

    def apply(self, h: Float[Tensor, "batch ... d"]) -> Float[Tensor, "batch ... d"]:
        if len(self.order) != len(h):
            raise ValueError(
                f"Resample: order names donors for {len(self.order)} rows, and the batch has "
                f"{len(h)}"
            )
        if bool((self.order < 0).any()) or bool((self.order >= len(h)).any()):
            raise ValueError(
                f"Resample: donors are rows 0 to {len(h) - 1} of the batch, got "
                f"{self.order.tolist()}"
            )
        other = h[self.order.to(h.device)] - h
        if self.basis is None:
            return h + other
        basis = self.basis.to(device=h.device, dtype=h.dtype)
        return h + (other @ basis.T) @ basis
