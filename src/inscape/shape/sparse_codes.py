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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Real
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

    Raises:
        ValueError: no cell, more watched cells than there are, or a negative number of codes.

    Example:
        >>> union_size(100, 10, 1), union_size(100, 10, 2)
        (10.0, 19.0)
    """
    if n < 1 or not 0 <= s <= n or codes < 0:
        raise ValueError(f"union_size: {codes} codes that watch {s} of {n} cells cannot be")
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

    Raises:
        ValueError: no watched cell, or more active, watched or lost cells than there are.

    Example:
        >>> best_threshold(4096, 128, 24, 0)[0]
        24
    """
    if s < 1:
        raise ValueError(f"best_threshold: a detector watches at least one cell, got {s}")
    errors = [miss(a, s, t, lost) + false_match(n, a, s, t) for t in range(1, s + 1)]
    best = int(np.argmin(errors))
    return best + 1, float(errors[best])


@dataclass(frozen=True)
class Detector:
    """A detector, and the codes that it meets: how often it errs, in closed form and by draws.

    Its error is a miss where some cells of its own code are silent, and otherwise a false match:
    it fires for a random code that it was not made for.

    Attributes:
        n: cells.
        a: active ones of a code.
        s: cells that it watches for each code of its own.
        theta: active ones among these from which on it fires.
        codes: how many codes of its own it has.
        lost: cells of its own code that are silent; 0 to ask for false matches.

    Example:
        >>> one = Detector(4, 2, 2, 2)
        >>> drawn = one.drawn_errors(5000, rng=np.random.default_rng(0))
        >>> one.kind, round(one.error(), 3), bool(abs(drawn.mean() - one.error()) < 0.02)
        ('false match', 0.167, True)
    """

    n: int
    a: int
    s: int
    theta: int
    codes: int = 1
    lost: int = 0

    def __post_init__(self) -> None:
        if self.lost and self.codes > 1:
            raise ValueError(
                f"Detector: misses are of one code, got {self.lost} lost cells and {self.codes} "
                "codes"
            )

    @property
    def kind(self) -> str:
        """``"miss"``, ``"union"`` (false matches of several codes) or ``"false match"``."""
        return "miss" if self.lost else ("union" if self.codes > 1 else "false match")

    def error(self) -> float:
        """The probability of an error; of a union with its mean size in place of its size."""
        if self.lost:
            return miss(self.a, self.s, self.theta, self.lost)
        return false_match(self.n, self.a, union_size(self.n, self.s, self.codes), self.theta)

    def drawn_errors(self, draws: int, *, rng: np.random.Generator) -> Bool[np.ndarray, " draws"]:
        """Whether the detector errs, in draws of what it watches.

        Args:
            draws: how many; the code it meets is the first cells, which is no loss of generality.
            rng: of the watched cells.
        """
        if self.lost:
            watched = drawn_cells(self.a, self.s, draws, rng=rng)
            return (watched < self.a - self.lost).sum(axis=1) < self.theta
        parts = [drawn_cells(self.n, self.s, draws, rng=rng) for _ in range(self.codes)]
        if self.codes == 1:
            return (parts[0] < self.a).sum(axis=1) >= self.theta
        watched = np.sort(np.concatenate(parts, axis=1), axis=1)
        new = np.diff(watched, axis=1, prepend=-1) > 0  # a cell that two codes share counts once
        return ((watched < self.a) & new).sum(axis=1) >= self.theta


def most_active(units: Real[np.ndarray, "n d"], a: int) -> Bool[np.ndarray, "n d"]:
    """Codes of the units that are most active, by absolute value.

    Args:
        units: activations, a row each.
        a: units of each code, 1 to d.

    Raises:
        ValueError: no unit, or more than there are; an activation that is NaN.

    Example:
        >>> most_active(np.array([[0.1, -3.0, 2.0]]), 2).tolist()
        [[False, True, True]]
    """
    if not 1 <= a <= units.shape[1]:
        raise ValueError(f"most_active: a must be 1 to {units.shape[1]}, got {a}")
    size = np.abs(
        np.asarray(units, dtype=np.float64)
    )  # of whole numbers too: −|u| would wrap around
    if np.isnan(size).any():
        raise ValueError(
            f"most_active: {int(np.isnan(size).any(axis=1).sum())} rows hold NaN, so no unit of "
            "theirs is most active; leave them out"
        )
    first = np.argpartition(-size, a - 1, axis=1)[:, :a]
    codes = np.zeros(units.shape, dtype=bool)
    np.put_along_axis(codes, first, True, axis=1)
    return codes


def detector_overlaps(
    codes: Bool[np.ndarray, "n d"], stored: Sequence[int], s: int, *, rng: np.random.Generator
) -> Int[np.ndarray, "stored n"]:
    """How many of the cells that a detector watches are active in each code.

    Args:
        codes: a row each.
        stored: rows that get a detector.
        s: active cells of its code that each detector watches, at random; all of them where there
            are fewer.
        rng: of the watched cells.
    """
    found = []
    for row in stored:
        active = np.flatnonzero(codes[row])
        watched = rng.choice(active, min(s, len(active)), replace=False)
        found.append(codes[:, watched].sum(axis=1))
    return np.stack(found)


def drawn_cells(n: int, s: int, draws: int, *, rng: np.random.Generator) -> np.ndarray:
    """Sets of s different cells of n, all equally likely, (draws, s).

    Drawn with repetition, and drawn again where two are the same; where that would be nearly
    always, by sorting random numbers instead.

    Raises:
        ValueError: more cells than there are.
    """
    if not 0 <= s <= n:
        raise ValueError(f"drawn_cells: {s} different cells of {n} cannot be drawn")
    if s**2 > 4 * n:
        return np.argsort(rng.random((draws, n)), axis=1)[:, :s]
    out = rng.integers(n, size=(draws, s))
    todo = np.arange(draws)
    while len(todo):
        ordered = np.sort(out[todo], axis=1)
        todo = todo[(np.diff(ordered, axis=1) == 0).any(axis=1)]
        out[todo] = rng.integers(n, size=(len(todo), s))
    return out
