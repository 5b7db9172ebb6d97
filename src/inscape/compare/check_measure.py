"""Prove a measure's card: its invariances, symmetry, range and identity, for other people's
measures as well.

    check_measure(linear_cka)                                   # nothing is raised: the card is true
    check_measure(mine, MeasureCard("mine", 0, 1, frozenset({"rotation"})))

Every map that the card claims is applied to either side of random representations, and must change
nothing; every one that it does not claim must change something, so a card can be neither too long
nor too short.

Cost: about 60 evaluations on 40 items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from inscape.compare.measure_card import INVARIANCES, MeasureCard, card_of

#: items and widths of the two sides; odd sizes, so that no axis can be mistaken for another
_N, _D, _E = 41, 7, 5
_DRAWS = 4


def check_measure(
    measure: Callable[[Any, Any], float],
    card: MeasureCard | None = None,
    *,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> None:
    """Check everything that a card claims.

    Args:
        measure: takes (n, d) and (n, e), gives a number.
        card: its card; None for the one that it carries.
        tolerance: how far a value may move and count as unchanged.
        seed: of the representations.

    Raises:
        ValueError: the measure has no card, or does not do what the card says; the message lists
            every point.

    Example:
        >>> from inscape.compare.linear_cka import linear_cka
        >>> check_measure(linear_cka)
    """
    card = card_of(measure) if card is None else card
    found = sorted(set(_faults(measure, card, tolerance, seed)))
    if found:
        raise ValueError(f"{card.name} does not do what its card says: {'; '.join(found)}")


def _faults(
    measure: Callable[[Any, Any], float], card: MeasureCard, tolerance: float, seed: int
) -> Iterator[str]:
    changed = dict.fromkeys(INVARIANCES, 0.0)
    gap, unrelated = 0.0, []
    for draw in range(_DRAWS):
        rng = np.random.default_rng([seed, draw])
        x, y = _related(rng)
        kept = x.copy(), y.copy()
        value = float(measure(x, y))
        if (x != kept[0]).any() or (y != kept[1]).any():
            yield "it writes into its arguments"
            x, y = kept
        unrelated.append(float(measure(rng.normal(size=(_N, _D)), rng.normal(size=(_N, _E)))))
        for v in (value, unrelated[-1]):
            if not card.low - tolerance <= v <= card.high + tolerance:
                yield f"{v:.4g} lies outside its range of {card.low:g} to {card.high:g}"
        for name in INVARIANCES:
            for side in (0, 1):
                pair = [x, y]
                pair[side] = _moved(pair[side], name, rng)
                changed[name] = max(changed[name], abs(float(measure(*pair)) - value))
        order = rng.permutation(_N)
        if abs(float(measure(x[order], y[order])) - value) > tolerance:
            yield "the order of the items changes it"
        if abs(float(measure(x, x.copy())) - card.identity) > tolerance:
            yield (
                f"a representation and itself give {measure(x, x.copy()):.4g}, not "
                f"{card.identity:g}"
            )
        if abs(float(measure(torch.tensor(x), torch.tensor(y))) - value) > tolerance:
            yield "tensors give another value than arrays"
        if abs(float(measure(x.astype(np.float32), y.astype(np.float32))) - value) > 1e-2:
            yield "float32 gives another value"
        gap = max(gap, abs(float(measure(y, x)) - value))
    for name, most in changed.items():
        if name in card.invariant and most > tolerance:
            yield f"{INVARIANCES[name]} change it by {most:.2g}, and the card says they do not"
        if name not in card.invariant and most <= tolerance:
            yield f"{INVARIANCES[name]} change nothing, and the card does not say so"
    if card.symmetric and gap > tolerance:
        yield (
            f"exchanging the sides changes it by {gap:.2g}, and the card says that it is symmetric"
        )
    if not card.symmetric and gap <= tolerance:
        yield "exchanging the sides changes nothing, and the card says that it is not symmetric"
    if card.unrelated is not None and abs(np.mean(unrelated) - card.unrelated) > 0.15:
        yield f"unrelated representations give {np.mean(unrelated):.2g}, not {card.unrelated:g}"


def _related(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two sides that share three factors, neurons of unequal size, means away from zero."""
    common = rng.normal(size=(_N, 3))
    sides = []
    for width in (_D, _E):
        own = common @ rng.normal(size=(3, width)) + 0.7 * rng.normal(size=(_N, width))
        sides.append(own * np.linspace(0.5, 2.0, width) + rng.normal(size=width))
    return sides[0], sides[1]


def _moved(x: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    d = x.shape[1]
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    if name == "neurons":
        return x[:, np.roll(np.arange(d), 2)]
    if name == "rotation":
        return x @ rotation
    if name == "scale":
        return 3.0 * x
    if name == "shift":
        return x + 2.0 * rng.normal(size=d)
    return x @ (rotation * np.linspace(0.3, 3.0, d)) @ np.linalg.qr(rng.normal(size=(d, d)))[0]
