"""One item of a certificate, and the difference that it is measured by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Item:
    """One item: what was measured, against what tolerance, and which sites hang on it.

    Attributes:
        name: what was checked.
        passed: whether the value is within the tolerance.
        value: the largest difference found.
        tolerance: what was allowed.
        sites: patterns of the sites refused where it failed; ``("*",)`` is all of them.
        reason: one sentence: what went wrong, or what was seen.
    """

    name: str
    passed: bool
    value: float
    tolerance: float
    sites: tuple[str, ...] = ()
    reason: str = ""


def difference(a: Tensor, b: Tensor) -> float:
    """``max over positions of ‖a − b‖ / ‖b‖``, in float64; infinite where anything is not
    finite.
    """
    if a.shape != b.shape:
        return float("inf")
    a, b = a.detach().double(), b.detach().double()
    gap = (a - b).norm(dim=-1) / b.norm(dim=-1).clamp_min(1e-12)
    return float(gap.max()) if bool(torch.isfinite(gap).all()) else float("inf")
