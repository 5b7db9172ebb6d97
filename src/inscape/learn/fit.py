"""One training loop for every network, objective and learning rule.

    each step:   batch ← batches(rng);   loss ← update.step(objective, batch)

Three seams: the *objective* (network and batch → loss), the *update rule* (gradient descent unless
another is given: a rule may use no gradient at all) and, in gradient descent, the *gradient
transform* (`inscape.learn.gradient`). A `Watch` measures the network while it trains: rank,
dimension, alignment, a probe.

A training that was interrupted goes on from its last saved state and ends with the same weights,
to the bit, as one that was not: the state holds the weights, the update rule's state and both
random streams. A state that belongs to other initial weights, another random stream or another
number of steps is ignored.

Cost: that of the steps; a state is saved every half minute.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from inscape.core.overwriting import replacing
from inscape.core.torch_files import load_tensors
from inscape.learn.gradient import Gradient

log = logging.getLogger(__name__)

Batches = Callable[[np.random.Generator], Any]
Objective = Callable[[nn.Module, Any], Tensor]

#: seconds between two saved states
SAVED_EVERY = 30.0


@runtime_checkable
class Steps(Protocol):
    """A learning rule at work on one network."""

    def step(self, objective: Objective, batch: Any) -> float:
        """Change the network by one batch; the loss."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, texts and containers of these."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


#: a learning rule: takes the network and the number of steps
Update = Callable[[nn.Module, int], Steps]


@dataclass(frozen=True)
class Budget:
    """What a training may spend, and what competing trainings must have in common.

    Attributes:
        steps: of the update rule.
        equal: quantities in which arms may differ by at most `tolerance`: ``"parameters"`` (of the
            network that is used in the end), ``"trained"`` (parameters that are trained),
            ``"flops"`` and ``"memory"`` (of one step).
        tolerance: largest relative difference.
    """

    steps: int
    equal: tuple[str, ...] = ("parameters",)
    tolerance: int | float = 0.03

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"Budget: steps must be 0 or more, got {self.steps}")
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"Budget: tolerance must be 0 up to 1, got {self.tolerance}")


@dataclass(frozen=True)
class Watch:
    """Something measured while a network trains, with gradients off and in evaluation mode.

    Attributes:
        name: what is measured.
        measure: takes the network; one number.
        every: steps between two measurements, at least 1; the first is before any step, the last after all.
    """

    name: str
    measure: Callable[[nn.Module], float]
    every: int = 100

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"Watch: every must be at least 1 step, got {self.every}")


@dataclass(frozen=True, eq=False)
class Fitted:
    """A training's result.

    Attributes:
        net: the network, in evaluation mode.
        losses: of each step, on its batch before the step.
        watched: columns ``step``, ``name``, ``value``.
        seconds: of training and watching, those before an interruption included.
    """

    net: nn.Module
    losses: np.ndarray
    watched: pd.DataFrame
    seconds: float


class Diverged(ValueError):
    """A training whose loss is no longer a finite number."""


@dataclass
class _State:
    step: int = 0
    losses: list[float] = field(default_factory=list)
    watched: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def fit(
    net: nn.Module,
    batches: Batches,
    objective: Objective,
    budget: Budget,
    update: Update | None = None,
    watch: Sequence[Watch] = (),
    *,
    rng: np.random.Generator,
    keep: Path | None = None,
    advance: Callable[[], None] | None = None,
) -> Fitted:
    """Train a network in place.

    Args:
        net: the network.
        batches: draws one batch from a generator.
        objective: the loss of the network on a batch, a scalar tensor.
        budget: how many steps.
        update: the learning rule; gradient descent with Adam at 0.001 where none is given.
        watch: what is measured while it trains.
        rng: of the batches and, through one draw, of PyTorch's randomness inside the network
            (dropout).
        keep: a file for the state, from which an interrupted training goes on; None to keep none.
        advance: called after each step (a progress bar's).

    Raises:
        Diverged: the loss is not finite; the message says at which step.

    Example:
        >>> net, x = nn.Linear(1, 1), torch.linspace(-1, 1, 20)[:, None]
        >>> slope = lambda net, x: (net(x) - 3 * x).square().mean()
        >>> rng = np.random.default_rng(0)
        >>> found = fit(net, lambda rng: x, slope, Budget(300), Gradient(lr=0.05), rng=rng)
        >>> round(net.weight.item(), 2), len(found.losses)
        (3.0, 300)
    """
    state, inner = _State(), int(rng.integers(2**63))
    steps = (update or Gradient())(net, budget.steps)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(inner)
        whose = _fingerprint(net, rng, budget.steps)
        if keep is not None:
            state = _resume(keep, whose, net, steps, rng) or state
            for _ in range(state.step if advance is not None else 0):
                advance()
        started = saved = time.monotonic() - state.seconds
        if state.step == 0:
            _measure(net, watch, state, budget.steps)
        net.train()
        while state.step < budget.steps:
            loss = steps.step(objective, batches(rng))
            state.step += 1
            if not math.isfinite(loss):
                raise Diverged(
                    f"fit: the loss is {loss} at step {state.step}; lower the learning rate"
                )
            state.losses.append(loss)
            _measure(net, watch, state, budget.steps)
            now = time.monotonic()
            state.seconds = now - started
            if keep is not None and (now - saved > SAVED_EVERY or state.step == budget.steps):
                _save(keep, whose, net, steps, rng, state)
                saved = now
            if advance is not None:
                advance()
    watched = pd.DataFrame(state.watched, columns=["step", "name", "value"])
    return Fitted(net.eval(), np.array(state.losses), watched, state.seconds)


def _measure(net: nn.Module, watch: Sequence[Watch], state: _State, last: int) -> None:
    due = [w for w in watch if state.step % w.every == 0 or state.step == last]
    if not due:
        return
    was = net.training
    net.eval()
    with torch.no_grad():
        for w in due:
            value = float(w.measure(net))
            state.watched.append({"step": state.step, "name": w.name, "value": value})
    net.train(was)


def _fingerprint(net: nn.Module, rng: np.random.Generator, steps: int) -> str:
    """A hash of where a training starts from."""
    digest = hashlib.sha256(f"{steps} {rng.bit_generator.state}".encode())
    for name, x in net.state_dict().items():
        digest.update(f"{name} {tuple(x.shape)} {x.dtype}".encode())
        digest.update(x.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _save(
    keep: Path, whose: str, net: nn.Module, steps: Steps, rng: np.random.Generator, state: _State
) -> None:
    keep.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "whose": whose,
        "net": net.state_dict(),
        "update": steps.state_dict(),
        "rng": rng.bit_generator.state,
        "torch": torch.get_rng_state(),
        "state": vars(state),
    }
    with replacing(keep) as fresh:
        torch.save(found, fresh)


def _resume(
    keep: Path, whose: str, net: nn.Module, steps: Steps, rng: np.random.Generator
) -> _State | None:
    """Put everything where the kept state left it; None where there is none of this training."""
    if not keep.is_file():
        return None
    try:
        found = load_tensors(keep)
    except Exception as error:  # whatever a damaged file raises, the cure is the same
        log.warning("%s cannot be read, and the training starts anew: %s", keep, error)
        return None
    if found["whose"] != whose:
        log.warning("%s belongs to another training, and this one starts anew.", keep)
        return None
    net.load_state_dict(found["net"])
    steps.load_state_dict(found["update"])
    rng.bit_generator.state = found["rng"]
    torch.set_rng_state(found["torch"])
    return _State(**found["state"])
