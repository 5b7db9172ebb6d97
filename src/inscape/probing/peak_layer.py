"""The layer where most items are found, chosen on one half of them and judged on the other.

Reading the highest layer off the curve that is judged flatters it. Here each half of the items is
judged at the layer that the other half chooses, and beside it at the better end of the stack.

Cost: a mean over the items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from inscape.core.folds import Fold, random_folds
from inscape.core.measured import Measured
from inscape.core.nulls import permutations
from inscape.read.lens_metrics import others_named

INSIDE, END, FIVE = "inside", "the better end", "5 × another word"
PERMUTED = "words permuted"


class Peak(NamedTuple):
    """Where each item is judged.

    Attributes:
        inside: the layer inside the stack that the other half chooses, (n,), as a row of what was
            found.
        end: the better end of the stack on the other half, (n,).
        chosen: the layer that each half chooses for the other.
    """

    inside: Int[np.ndarray, " n"]
    end: Int[np.ndarray, " n"]
    chosen: tuple[int, ...]


def at_peak(found: Bool[np.ndarray, "layers n"], halves: Sequence[Fold]) -> Peak:
    """Each item at the layer inside the stack where most of the other half's items are found.

    Args:
        found: whether an item is found at a layer, (layers, n); the first and the last layer are
            the ends, so that there are at least three.
        halves: of the items, each as (those that choose, those that are judged).

    Raises:
        ValueError: fewer than three layers.

    Example:
        >>> found = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=bool)
        >>> first, second = np.array([0]), np.array([1])
        >>> at_peak(found, [(first, second), (second, first)]).inside.tolist()
        [2, 1]
    """
    if len(found) < 3:
        raise ValueError(f"at_peak: {len(found)} layers have none inside; give at least three")
    inside, end = np.zeros((2, found.shape[1]), dtype=np.int64)
    chosen: list[int] = []
    for known, judged in halves:
        rate = found[:, known].mean(axis=1)
        chosen.append(1 + int(rate[1:-1].argmax()))
        inside[judged] = chosen[-1]
        end[judged] = 0 if rate[0] >= rate[-1] else len(found) - 1
    return Peak(inside, end, tuple(chosen))


def retrieval_at_peak(
    named: Int[np.ndarray, "layers n"],
    own: Int[np.ndarray, " n"],
    draws: int,
    *,
    rng: Callable[..., np.random.Generator],
) -> tuple[Measured, tuple[int, ...]]:
    """How often states name their own token at the layer where most do, the other half of the items
    choosing it.

    Args:
        named: the token that each state names, (layers, n).
        own: the items' own tokens, each another one, (n,).
        draws: permutations of the tokens, for the null.
        rng: named random streams: ``halves`` and ``permuted``.

    Returns:
        Shares under `INSIDE`, `END` (the better end of the stack), `FIVE` (five times another
        item's token) and the null `PERMUTED`; and the layers chosen.
    """
    every, found = np.arange(len(own)), named == own
    halves = random_folds(len(own), 2, rng=rng("halves"))
    peak, m = at_peak(found, halves), Measured("share of words found", unit="share")
    m.put(INSIDE, found[peak.inside, every])
    m.put(END, found[peak.end, every], role="baseline")
    m.put(FIVE, 5 * others_named(named, own)[peak.inside, every], role="baseline")
    chance = []
    for order in permutations(len(own), draws, rng=rng("permuted")):
        mixed = named == own[order]
        chance.append(mixed[at_peak(mixed, halves).inside, every])
    m.put(PERMUTED, chance, role="null")
    return m, peak.chosen
