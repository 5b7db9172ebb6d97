"""Evaluation mode for a block, every module's own mode put back after it.

A network that is in training may hold parts that are not (frozen blocks, normalisations kept still), and one that is not may
hold parts that are; ``net.train(was)`` would set them all alike.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Every module of a network in evaluation mode inside the block, and as it was after it, whatever was raised."""
    trained = [module for module in net.modules() if module.training]
    for module in trained:
        module.training = False
    try:
        yield
    finally:
        for module in trained:
            module.training = True


def uncompiled() -> AbstractContextManager[Any]:
    """A block in which what `torch.compile` made runs as it was written: compiled code does not look for new hooks."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def unwrapped(net: nn.Module) -> nn.Module:
    """The network inside what only carries it: `torch.compile`, data parallelism, averaged weights."""
    carriers = (
        nn.DataParallel,
        nn.parallel.DistributedDataParallel,
        torch.optim.swa_utils.AveragedModel,
    )
    while True:
        if isinstance(net, carriers):
            net = net.module
        elif isinstance(inner := getattr(net, "_orig_mod", None), nn.Module):
            net = inner
        else:
            return net
