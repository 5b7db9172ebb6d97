"""Adam whose decoupled decay shrinks the columns of matrices, or pulls their lengths to one.

    γ ≥ 0:   W_i ← W_i − η γ W_i                          then Adam's step
    γ < 0:   W_i ← W_i − η γ W_i (1 / ‖W_i‖ − 1)          short columns grow and long ones shrink

with η the learning rate. Where a column is the direction of a feature, decay leaves space to the
features that lower the loss most, and growth keeps a direction for every feature. Vectors (biases)
are left alone.

Cost: that of Adam, and one pass over the matrices.
Reference: Loshchilov and Hutter (2019), Decoupled weight decay, arXiv:1711.05101; Liu, Liu and
Gore (2025), arXiv:2505.10465, for negative decay.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

#: keeps the growth of a column without length finite
_LEAST = 1e-8


class ColumnDecay(torch.optim.Adam):
    """The optimiser; ``Gradient(optimiser=partial(ColumnDecay, decay=-1.0))`` trains with it.

    Args:
        params: tensors or groups of tensors, as PyTorch's optimisers take them.
        lr: η.
        decay: γ.

    Example:
        >>> w = torch.nn.Parameter(torch.tensor([[2.0, 0.25], [0.0, 0.0]]))
        >>> grow = ColumnDecay([w], lr=0.1, decay=-1.0)
        >>> for _ in range(100):
        ...     w.grad = torch.zeros_like(w)
        ...     grow.step()
        >>> w.norm(dim=0).tolist()
        [1.0000..., 0.9999...]
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, *, decay: float) -> None:
        super().__init__(params, lr=lr)
        self._decay = decay

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Decay, then Adam's step."""
        for group in self.param_groups:
            for w in group["params"]:
                if w.ndim == 2:
                    w.sub_(self._pull(w), alpha=float(group["lr"]) * self._decay)
        return super().step(closure)

    def _pull(self, w: Tensor) -> Tensor:
        if self._decay >= 0:
            return w
        return w * (1 / w.norm(dim=0, keepdim=True).clamp_min(_LEAST) - 1)
