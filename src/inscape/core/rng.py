"""Random streams derived by name, so that a new step changes no other.

A study has one seed. Every consumer asks for its own child by name: ``generator(seed, "folds")``
and ``generator(seed, "nulls", "shuffle")`` are independent, reproducible, and unaffected by who
else draws. The child's seed is the SHA-256 of the parent seed and the names. The global seeds of
Python, NumPy and torch are never touched.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def child_seed(seed: int, *names: str) -> int:
    """A 63-bit seed for the stream `names` under `seed`.

    Example:
        >>> child_seed(0, "folds") == child_seed(0, "folds")
        True
        >>> child_seed(0, "folds") == child_seed(0, "nulls")
        False
    """
    text = "\x1f".join([str(int(seed)), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str) -> np.random.Generator:
    """A NumPy generator for the stream `names` under `seed`."""
    return np.random.default_rng(child_seed(seed, *names))


def torch_generator(seed: int, *names: str, device: str = "cpu") -> torch.Generator:
    """A torch generator for the stream `names` under `seed`."""
    import torch

    return torch.Generator(device=device).manual_seed(child_seed(seed, *names))
