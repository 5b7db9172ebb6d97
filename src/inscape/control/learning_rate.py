"""The learning rate of short trainings: up for a tenth of the steps, down to zero over the rest.

    rate_t = rate · (t + 1) / r                    t < r = max(1, T / 10)
           = rate · (T − t) / max(1, T − r)        afterwards

Cost: none.
Reference: linear warm-up and decay as in Devlin et al. (2018), arXiv:1810.04805, appendix A.2.
"""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def rise_and_fall(optimiser: Optimizer, steps: int) -> LambdaLR:
    """A scheduler to be stepped after each of so many steps; the optimiser's own rate is the
    highest.

    Example:
        >>> import torch
        >>> optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> schedule = rise_and_fall(optimiser, 20)
        >>> schedule.get_last_lr()
        [0.5]
    """
    rise = max(1, steps // 10)
    return LambdaLR(
        optimiser,
        lambda t: (t + 1) / rise if t < rise else max(0.0, (steps - t) / max(1, steps - rise)),
    )
