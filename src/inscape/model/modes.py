"""Evaluation mode for a block, every module's own mode put back after it.

A network that is in training may hold parts that are not (frozen blocks, normalisations kept
still), and one that is not may hold parts that are; ``net.train(was)`` would set them all alike.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from inscape.core.errors import ModelError


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Every module of a network in evaluation mode inside the block, and as it was after it,
    whatever was raised. Threads enter it one after another.

    Experts in float64 are computed one after another there: multiplied in groups, as is usual, they
    need another dtype.
    """
    with _turn(net):
        trained = [module for module in net.modules() if module.training]
        grouped = _grouped(net)
        for module in trained:
            module.training = False
        for config in grouped:
            config._experts_implementation_internal = "eager"
        try:
            yield
        finally:
            for module in trained:
                module.training = True
            for config in grouped:
                config._experts_implementation_internal = "grouped_mm"


#: of each network, whose turn it is: a thread that leaves would put modes back under another one
_TURNS: WeakKeyDictionary[nn.Module, Any] = WeakKeyDictionary()
_TAKING = threading.Lock()


def _turn(net: nn.Module) -> AbstractContextManager[Any]:
    with _TAKING:
        return _TURNS.setdefault(net, threading.RLock())


def _grouped(net: nn.Module) -> list[Any]:
    """The configurations of a network in float64 by which experts are multiplied in groups."""
    first = next((p for p in net.parameters() if p.is_floating_point()), None)
    if first is None or first.dtype != torch.float64:
        return []
    configs = {id(c): c for m in net.modules() if (c := getattr(m, "config", None)) is not None}
    name = "_experts_implementation_internal"
    return [c for c in configs.values() if getattr(c, name, None) == "grouped_mm"]


def uncompiled() -> AbstractContextManager[Any]:
    """A block in which what `torch.compile` made runs as it was written: compiled code does not
    look for new hooks.
    """
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def unwrapped(net: nn.Module) -> nn.Module:
    """The network inside what only carries it: `torch.compile`, data parallelism, averaged
    weights.
    """
    carriers = (
        nn.DataParallel,
        nn.parallel.DistributedDataParallel,
        torch.optim.swa_utils.AveragedModel,
    )
    while True:
        if isinstance(net, carriers):
            net = net.module
        elif hasattr(net, "peft_config") and hasattr(net, "get_base_model"):
            net = _adapted(net)
        elif isinstance(inner := getattr(net, "_orig_mod", None), nn.Module):
            net = inner
        else:
            return net


#: kinds of PEFT adapters that are modules in the network, so that the network inside computes with
# them
IN_PLACE = frozenset(
    "LORA ADALORA ADAMSS BEFT BOFT C3A DEFT DELORA FOURIERFT FROD GLORA GRALORA HIRA HRA IA3 "
    "LN_TUNING LOHA LOKR MISS OFT "
    "OSF PEANUT PVERA RANDLORA ROAD SHIRA SUPERTUNING TINYLORA UNILORA VBLORA VERA WAVEFT".split()
)


def _adapted(net: Any) -> nn.Module:
    """The network inside a live PEFT model, which computes with its adapters.

    Raises:
        ModelError: the adapter is not in the network: a prompt before the text, or something that
            its wrapper does.
    """
    for name, config in net.peft_config.items():
        kind = str(getattr(config.peft_type, "value", config.peft_type))
        if kind not in IN_PLACE:
            raise ModelError(
                f"the adapter {name!r} of kind {kind} acts in PEFT's wrapper and not in the "
                "network inside, so it would be "
                "left out; open the network without it: net.get_base_model()"
            )
    inner = net.get_base_model()
    if not isinstance(inner, nn.Module):
        raise ModelError(f"{type(net).__name__} holds no network; open the network itself")
    return inner
