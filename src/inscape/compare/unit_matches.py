"""Do two networks have the same units? Four measures of one pair, and the same matching on copies
whose answer is known.

    matched   mean of corr(x_i, y_π(i)) on other rows     π: one to one, found on the fitted rows
    fitted    the same on the fitted rows
    best      mean of max_j corr(x_i, y_j) ≥ fitted       alone: share of i for which it is < 0.5

Correlations are signed (`inscape.compare.neuron_matching`), since a unit behind a ReLU and its
mirror are not alike. A permuted copy has the same units in another order, a rotated one the same
space and other units: what a matching says of two networks is read between the two.

Cost: n d e, and max(d, e)³ at worst for an assignment.
Reference: Li et al. (2016), Convergent learning, arXiv:1511.07543, §3 (one to one, and the best
partner).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from inscape.compare.neuron_matching import NeuronMatching, correlations
from inscape.compare.predictivity import predictivity
from inscape.core.item_rows import checked_rows


class UnitMatches(NamedTuple):
    """How alike the units of two networks are: one number each, or an array for several pairs.

    Attributes:
        matched: mean correlation of units matched one to one, on other rows than they were matched
            on.
        fitted: the same on the rows that they were matched on, which is higher by what chance gives
            the best of all assignments.
        best: mean of the best correlation of each matched unit of the first with any of the second,
            on the same rows: at least `fitted`.
        alone: share of units of the first whose best correlation is below the least.
    """

    matched: Float64[np.ndarray, ...] | float
    fitted: Float64[np.ndarray, ...] | float
    best: Float64[np.ndarray, ...] | float
    alone: Float64[np.ndarray, ...] | float


def unit_matches(one: Sequence[Any], other: Sequence[Any], *, least: float = 0.5) -> UnitMatches:
    """Match the units of two networks on some rows, and score the matches on others.

    Args:
        one: activations of the first, rows to match on (n, d) and rows to score on (m, d).
        other: of the second, (n, e) and (m, e); rows are the same items as of the first.
        least: the correlation below which a unit has no partner.

    Raises:
        ValueError: rows that are not the same items, or a least that is no correlation.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 3))
        >>> found = unit_matches((x[:40], x[40:]), (x[:40, ::-1], x[40:, ::-1]))
        >>> [round(float(value), 6) for value in found]
        [1.0, 1.0, 1.0, 0.0]
    """
    if not -1 <= least <= 1:
        raise ValueError(f"unit_matches: least must be a correlation, −1 to 1, got {least}")
    (x, x_new), (y, y_new) = one, other
    match, near = NeuronMatching(signed=True).fit(x, y), correlations(x, y)
    fitted, best = near[match.matched_, match.index_], near.max(axis=1)
    return UnitMatches(
        matched=match.score(x_new, y_new),
        fitted=float(fitted.mean()),
        best=float(best[match.matched_].mean()),
        alone=float((best < least).mean()),
    )


class Copies(NamedTuple):
    """What a matching makes of copies of a network: one number each, or an array for several
    networks.

    Attributes:
        recovered: share of units that are matched with themselves in a permuted copy: 1.
        rotated: mean correlation of units matched with those of a rotated copy, on other rows.
        space: R² of a linear map to the rotated copy, on held-out rows: 1.
    """

    recovered: Float64[np.ndarray, ...] | float
    rotated: Float64[np.ndarray, ...] | float
    space: Float64[np.ndarray, ...] | float


def matched_copies(x: Any, x_new: Any, *, rng: np.random.Generator) -> Copies:
    """Match a network with itself, its units permuted, and rotated at random.

    Args:
        x: activations to match on, (n, d); every unit varies.
        x_new: activations to score on, (m, d).
        rng: of the permutation, the rotation, and the folds of the linear map.

    Raises:
        ValueError: other units to score on than to match on.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(300, 8))
        >>> found = matched_copies(x[:200], x[200:], rng=np.random.default_rng(1))
        >>> found.recovered, round(found.space, 2), found.rotated < 0.8
        (1.0, 1.0, True)
    """
    a, b = (checked_rows(side, "matched_copies: a side", least=2) for side in (x, x_new))
    d = a.shape[1]
    if b.shape[1] != d:
        raise ValueError(
            f"matched_copies: {d} units to match on and {b.shape[1]} to score on; give the same"
        )
    order = rng.permutation(d)
    found = NeuronMatching(signed=True).fit(a, a[:, order]).index_
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    match = NeuronMatching(signed=True).fit(a, a @ turn).score(b, b @ turn)
    space = predictivity(a, a @ turn, rng=rng).value
    return Copies(float((order[found] == np.arange(d)).mean()), match, space)
