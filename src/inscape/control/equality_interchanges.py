"""Interchanges of hierarchical equality: pairs of cases at a layer, and what the algorithm answers
with a variable swapped.

    answer = (v₁ = v₂)        with v_k taken from the source, v the equality of the first and of the
    second pair

Two controls beside the algorithm itself: one that the network does not run, whose first variable is
whether the first two symbols are alike in parity; and cases with the last symbol, which no map has
seen in training.

Cost: a pass over the cases. Reference: Sutter et al. (2025), arXiv:2507.08802; Geiger et al.
(2023), arXiv:2303.02536, for the task.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from inscape.control.alignment_search import Interchange
from inscape.worlds.hierarchical_equality import Perceptron, Slots, variables

Algorithm = Literal["true", "wrong algorithm", "symbol held out"]


def interchanges(
    slots: Slots,
    net: Perceptron,
    layer: int,
    variable: int,
    n: int,
    *,
    algorithm: Algorithm = "true",
    test: bool = False,
    rng: np.random.Generator,
) -> Interchange:
    """Pairs of cases at a layer, with the algorithm's answer when the source's variable is put into
    the base.

    Args:
        slots: what a slot holds.
        net: whose layer.
        layer: hidden layer, from 1.
        variable: 0 or 1, which is swapped.
        n: pairs; fewer where cases with a symbol are rare.
        algorithm: ``"true"`` or a control.
        test: where a symbol is held out, cases that have it; else cases that have it not.
        rng: draws the cases.
    """
    base, source = (
        _cases(slots, n, test if algorithm == "symbol held out" else None, rng) for _ in range(2)
    )
    n = min(len(base), len(source))
    base, source = base[:n], source[:n]
    values, given = variables(base), variables(source)
    if algorithm == "wrong algorithm":
        # the variable is one the task has no use for; the answer is still a function of two bits
        values[:, 0], given[:, 0] = (
            (x[:, :2].argmax(axis=2) % 2).sum(axis=1) % 2 for x in (base, source)
        )
    values[:, variable] = given[:, variable]
    answer = torch.from_numpy((values[:, 0] == values[:, 1]).astype(np.int64))
    with torch.no_grad():
        rows = [net.layer(torch.from_numpy(x), layer) for x in (base, source)]
    return Interchange(*rows, answer)


def _cases(slots: Slots, n: int, held: bool | None, rng: np.random.Generator) -> np.ndarray:
    """Cases; those with the last symbol, or those without it, where one of the two is asked for."""
    if held is None:
        return slots.draw(n, rng)
    drawn = slots.draw(12 * n, rng)
    has = (drawn[:, :, -1] == 1).any(axis=1)
    return drawn[has == held][:n]
