"""Sparse binary codes: how often does a detector of a few cells fire for a code that it was not
made for?

    n cells, a active; a detector watches s of them and fires when at least θ are active

    false match   P(overlap ≥ θ),  overlap ~ hypergeometric(n, s, a)
    union         a detector of M codes watches about n (1 − (1 − s/n)^M) cells
    miss          of a code's a cells, l are silent:  P(overlap < θ),  overlap ~ hypergeometric(a, s, a − l)

The best threshold makes misses and false matches together fewest.

Cost: that of a hypergeometric tail.
Reference: Ahmad and Hawkins (2016), How do neurons operate on sparse distributed representations?,
arXiv:1601.00720, eq. 4, 5 and 8.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import hypergeom


def false_match(n: int, a: int, s: int | float, theta: int) -> float:
    """Probability that a random code sets off a detector.

    Args:
        n: cells.
        a: active ones in the code.
        s: cells that the detector watches; rounded.
        theta: active ones among these from which on it fires.

    Raises:
        ValueError: more active or watched cells than there are.

    Example:
        >>> round(false_match(4, 2, 2, 2), 6)  # 1 of 6 codes has both
        0.166667
    """
    watched = round(s)
    if not 0 <= a <= n or not 0 <= watched <= n:
        raise ValueError(f"false_match: {a} active and {watched} watched of {n} cells cannot be")
    return float(hypergeom.sf(theta - 1, n, watched, a))


def union_size(n: int, s: int, codes: int) -> float:
    """Cells that a detector of several codes watches, on average.

    Args:
        n: cells.
        s: cells watched for each code.
        codes: how many codes share the detector.

    Example:
        >>> union_size(100, 10, 1), union_size(100, 10, 2)
        (10.0, 19.0)
    """
    return float(round(n * (1 - (1 - s / n) ** codes), 9))


def miss(a: int, s: int, theta: int, lost: int) -> float:
    """Probability that a detector stays silent for its own code, some of whose cells are silent.

    Args:
        a: active cells of the code.
        s: how many of these the detector watches.
        theta: active ones from which on it fires.
        lost: cells of the code that are silent.

    Raises:
        ValueError: more watched or lost than the code has.
    """
    if not 0 <= s <= a or not 0 <= lost <= a:
        raise ValueError(f"miss: {s} watched and {lost} lost of {a} active cells cannot be")
    return float(hypergeom.cdf(theta - 1, a, s, a - lost))


def best_threshold(n: int, a: int, s: int, lost: int) -> tuple[int, float]:
    """The threshold with fewest misses and false matches together, and how many these are.

    Example:
        >>> best_threshold(4096, 128, 24, 0)[0]
        24
    """
    errors = [miss(a, s, t, lost) + false_match(n, a, s, t) for t in range(1, s + 1)]
    best = int(np.argmin(errors))
    return best + 1, float(errors[best])


def drawn_cells(n: int, s: int, draws: int, *, rng: np.random.Generator) -> np.ndarray:
    """Sets of s different cells of n, all equally likely, (draws, s).

    Drawn with repetition, and drawn again where two are the same; where that would be nearly
    always, by sorting random numbers instead.
    """
    if s**2 > 4 * n:
        return np.argsort(rng.random((draws, n)), axis=1)[:, :s]
    out = rng.integers(n, size=(draws, s))
    todo = np.arange(draws)
    while len(todo):
        ordered = np.sort(out[todo], axis=1)
        todo = todo[(np.diff(ordered, axis=1) == 0).any(axis=1)]
        out[todo] = rng.integers(n, size=(len(todo), s))
    return out
