"""Predict one's own slow copy: a predictor on the network, a target that follows by a moving
average.

    L = [2 − 2 cos(p(f(a)), g(b)) + 2 − 2 cos(p(f(b)), g(a))] / 2          no gradient through g
    g ← m g + (1 − m) f                                                   after every step

f is the network, p its predictor, g the target, which begins as a copy of f.

Cost: a forward pass of the target beside that of the network.
Reference: Grill et al. (2020), Bootstrap your own latent, arXiv:2006.07733, eq. 1 and 2.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inscape.learn.fit import Steps, Update
from inscape.learn.gradient import Gradient

_ADAM = Gradient()


class SelfPredicting(nn.Module):
    """A network with its predictor and its target.

    Args:
        net: f; what is used after training.
        predictor: p, from embeddings to embeddings.
    """

    def __init__(self, net: nn.Module, predictor: nn.Module) -> None:
        super().__init__()
        self.net, self.predictor = net, predictor
        self.target = copy.deepcopy(net).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings of the network, without its predictor."""
        return self.net(x)


def predict_target(
    both: SelfPredicting, a: Float[Tensor, "n ..."], b: Float[Tensor, "n ..."]
) -> Float[Tensor, ""]:
    """How far the predictions of each view are from the target's embedding of the other.

    Args:
        both: the network with its predictor and target.
        a: one view of each input.
        b: the other view of the same inputs.

    Returns:
        Between 0 and 4.
    """
    views = torch.cat([a, b])
    found = both.predictor(both.net(views))
    with torch.no_grad():
        wanted = torch.cat(both.target(views).chunk(2)[::-1])
    return (2 - 2 * F.cosine_similarity(found, wanted, dim=1)).mean()


@torch.no_grad()
def follow_slowly(slow: nn.Module, net: nn.Module, decay: float) -> None:
    """Move a slow copy towards its network: ``slow ← decay · slow + (1 − decay) · net``.

    Args:
        slow: a copy of the network; changed in place.
        net: the network.
        decay: m, between 0 and 1.
    """
    for behind, own in zip(slow.parameters(), net.parameters(), strict=True):
        behind.lerp_(own, 1 - decay)


@dataclass(frozen=True)
class EmaTarget:
    """An update rule after each of whose steps the target follows the network.

    Attributes:
        decay: m, between 0 (the target is the network) and 1 (the target never moves).
        inner: the rule that trains the network and the predictor.

    Raises:
        ValueError: a decay outside 0 to 1.
    """

    decay: float = 0.99
    inner: Update = _ADAM

    def __post_init__(self) -> None:
        if not 0 <= self.decay <= 1:
            raise ValueError(f"EmaTarget: decay must be between 0 and 1, got {self.decay}")

    def __call__(self, net: nn.Module, steps: int) -> Steps:
        if not isinstance(net, SelfPredicting):
            raise TypeError(
                f"EmaTarget: trains a SelfPredicting network, got {type(net).__name__}; wrap it"
            )
        return _Following(self.decay, self.inner(net, steps), net)


class _Following:
    def __init__(self, decay: float, inner: Steps, both: SelfPredicting) -> None:
        self._decay, self._inner, self._both = decay, inner, both

    def step(self, objective: Callable[[nn.Module, Any], Tensor], batch: Any) -> float:
        """One step on one batch; the loss before it."""
        loss = self._inner.step(objective, batch)
        follow_slowly(self._both.target, self._both.net, self._decay)
        return loss

    def state_dict(self) -> dict[str, Any]:
        """That of the inner rule: the target is part of the network."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` gave."""
        self._inner.load_state_dict(state)
