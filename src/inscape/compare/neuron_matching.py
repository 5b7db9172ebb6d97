"""Matching neurons one to one: do two networks have the *same units*, not only the same space?

    π = argmax over one-to-one assignments of Σ_i |corr(x_i, y_π(i))|            found exactly (Hungarian method)

The assignment is fitted on some items and scored on others, since the best of e partners correlates
by chance. `semi_matching` gives each neuron its best partner, which several may share. A rotation
of one side leaves CKA as it is and destroys this.

Cost: n d e, and max(d, e)³ at worst for the assignment.
Reference: Li et al. (2016), Convergent learning, arXiv:1511.07543; Crouse (2016), IEEE TAES 52 (the
assignment).
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from jaxtyping import Float64
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from inscape.compare.paired_rows import paired_rows
from inscape.core.arrays import like
from inscape.core.item_rows import centred_rows, checked_rows


def correlations(x: Any, y: Any) -> Float64[np.ndarray, "d e"]:
    """Pearson's correlation of every neuron of `x` with every neuron of `y`; 0 for one that does
    not vary.
    """
    a, b = paired_rows(x, y, "correlations", least=2)
    sides = []
    for side in (a, b):
        side = centred_rows(side)
        size = np.linalg.norm(side, axis=0)
        sides.append(np.divide(side, size, out=np.zeros_like(side), where=size > 0))
    return sides[0].T @ sides[1]


def varying_units(x: Any, *others: Any) -> list[Float64[np.ndarray, "_ e"]]:
    """The units that vary over the first rows, in these and in further rows of the same units: what
    a correlation is defined for.

    Args:
        x: (n, d).
        others: further rows, such as those that matches are scored on, (m, d).

    Returns:
        The rows, (n, e), and the others, (m, e) each.

    Example:
        >>> x, y = varying_units([[0, 1], [0, 2]], [[5, 6]])
        >>> x.tolist(), y.tolist()
        ([[1.0], [2.0]], [[6.0]])
    """
    rows = [checked_rows(side, "varying_units") for side in (x, *others)]
    keep = np.ptp(rows[0], axis=0) > 0
    return [side[:, keep] for side in rows]


class NeuronMatching(BaseEstimator):
    """The best one-to-one assignment of neurons.

    Args:
        signed: match by correlation; otherwise by its absolute value, so that a neuron and its
            mirror are one.

    Attributes:
        index_: for each matched neuron of x (of `matched_`), its partner in y.
        matched_: which neurons of x have a partner: all of them where y has as many.
        sign_: of each match.
        neurons_: of x and of y.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 4))
        >>> NeuronMatching().fit(x, -x[:, [2, 0, 3, 1]]).index_.tolist()
        [1, 3, 0, 2]
    """

    @no_type_check
    def __init__(self, *, signed: bool = False) -> None:
        self.signed = signed

    def fit(self, x: Any, y: Any) -> NeuronMatching:
        """Find the assignment.

        Args:
            x: (n, d).
            y: (n, e).
        """
        found = correlations(x, y)
        gain = found if self.signed else np.abs(found)
        self.neurons_ = found.shape
        self.matched_, self.index_ = linear_sum_assignment(gain, maximize=True)
        chosen = found[self.matched_, self.index_]
        self.sign_ = np.where((chosen < 0) & (not self.signed), -1.0, 1.0)
        return self

    def transform(self, y: Any) -> Any:
        """The partners in the order of the matched neurons of x, with their signs, (m, matched)."""
        check_is_fitted(self)
        rows = self._same_neurons(checked_rows(y, "NeuronMatching: y"), 1)
        return like(rows[:, self.index_] * self.sign_, y)

    def _same_neurons(self, rows: np.ndarray, side: int) -> np.ndarray:
        if rows.shape[1] != self.neurons_[side]:
            raise ValueError(
                f"NeuronMatching: {'xy'[side]} has {rows.shape[1]} neurons, and the {'xy'[side]} "
                f"that was fitted had {self.neurons_[side]}"
            )
        return rows

    def by_neuron(self, x: Any, y: Any) -> Float64[np.ndarray, " matched"]:
        """Correlation of each match on other rows."""
        check_is_fitted(self)
        a, b = paired_rows(x, y, "NeuronMatching", least=2)
        a = self._same_neurons(a, 0)
        a, b = centred_rows(a[:, self.matched_]), centred_rows(self.transform(b))
        below = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
        inner = (a * b).sum(axis=0)
        return np.divide(inner, below, out=np.zeros_like(inner), where=below > 0)

    def score(self, x: Any, y: Any) -> float:
        """Mean correlation of the matches on other rows: about 0 for unrelated neurons."""
        return float(self.by_neuron(x, y).mean())


def semi_matching(x: Any, y: Any) -> Float64[np.ndarray, " d"]:
    """For each neuron of x, the largest absolute correlation with any neuron of y, of the rows
    given.
    """
    return np.abs(correlations(x, y)).max(axis=1)
