"""The same architecture with fresh weights: what a probe finds there is not due to training."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from inscape.core.errors import ModelError


def untrained(net: nn.Module, seed: int) -> nn.Module:
    """A copy of `net` initialised afresh, by its own code, from a stream of its own.

    Args:
        net: a transformers model (built again from its configuration), or any module whose
            parameters all belong to submodules with ``reset_parameters``.
        seed: of the stream; the global generator is left as it was.

    Returns:
        The fresh network, in evaluation mode, same dtype and device.

    Raises:
        ModelError: some parameter cannot be drawn afresh; the message names it.
    """
    like = next(net.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config: Any = getattr(net, "config", None)
        fresh = (
            type(net)(copy.deepcopy(config))
            if hasattr(config, "to_dict")
            else _reset(copy.deepcopy(net))
        )
    return fresh.to(device=like.device, dtype=like.dtype).eval()


def _reset(net: nn.Module) -> nn.Module:
    done: set[int] = set()
    for module in net.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
            done.update(id(p) for p in module.parameters(recurse=False))
    left = [name for name, p in net.named_parameters() if id(p) not in done]
    if left:
        raise ModelError(
            f"no untrained copy can be made: {left[0]} belongs to a module without reset_parameters"
        )
    return net
