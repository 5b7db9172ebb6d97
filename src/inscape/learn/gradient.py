"""Gradient descent as an update rule: the loss's gradient, a transform of it, an optimiser's step.

    g ← transform(∇ objective(net, batch));   θ ← optimiser(θ, g)

The transform is one of the training loop's three seams: it sees the network between the backward
pass and the step, and may change every ``.grad`` in place (clip, project, precondition, mask).

Cost: one forward and one backward pass a step.
Reference: Kingma and Ba (2015), Adam, arXiv:1412.6980; Loshchilov and Hutter (2017), SGDR,
arXiv:1608.03983, for the cosine schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Gradient:
    """Settings of gradient descent; `inscape.learn.fit` calls it with network and steps.

    Attributes:
        lr: highest learning rate.
        optimiser: takes the trainable parameters and ``lr=``.
        schedule: ``"constant"``, or ``"cosine"`` from `lr` to zero.
        transform: called with the network after the backward pass; changes gradients in place.
    """

    lr: float = 1e-3
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.Adam
    schedule: str = "constant"
    transform: Callable[[nn.Module], None] | None = None

    def __call__(self, net: nn.Module, steps: int) -> _GradientSteps:
        return _GradientSteps(self, net, steps)


class _GradientSteps:
    """Gradient descent on one network.

    Args:
        settings: rate, optimiser, schedule and transform.
        net: the network; parameters that require no gradient are left alone.
        steps: of the whole training, for the schedule.

    Raises:
        ValueError: an unknown schedule, or a network with nothing to train.
    """

    def __init__(self, settings: Gradient, net: nn.Module, steps: int) -> None:
        if settings.schedule not in ("constant", "cosine"):
            raise ValueError(
                f"Gradient: schedule must be 'constant' or 'cosine', got {settings.schedule!r}"
            )
        trained = [p for p in net.parameters() if p.requires_grad]
        if not trained:
            raise ValueError("Gradient: the network has no parameter that requires a gradient")
        self._net, self._transform = net, settings.transform
        self._optimiser = settings.optimiser(trained, lr=settings.lr)
        self._schedule = (
            torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, max(steps, 1))
            if settings.schedule == "cosine"
            else None
        )

    def step(self, objective: Callable[[nn.Module, Any], Tensor], batch: Any) -> float:
        """One step on one batch; the loss before it."""
        self._optimiser.zero_grad()
        loss = objective(self._net, batch)
        loss.backward()
        if self._transform is not None:
            self._transform(self._net)
        self._optimiser.step()
        if self._schedule is not None:
            self._schedule.step()
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs."""
        schedule = None if self._schedule is None else self._schedule.state_dict()
        return {"optimiser": self._optimiser.state_dict(), "schedule": schedule}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` gave."""
        self._optimiser.load_state_dict(state["optimiser"])
        if self._schedule is not None:
            self._schedule.load_state_dict(state["schedule"])
