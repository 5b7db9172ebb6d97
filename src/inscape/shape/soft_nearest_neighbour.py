"""Soft nearest neighbours: how far are classes entangled, as seen from every item?

    loss = − mean_i log( Σ_{j ≠ i, y_j = y_i} e^{−‖x_i − x_j‖² / T}  /  Σ_{j ≠ i} e^{−‖x_i − x_j‖² / T} )

Minus the logarithm of the chance that a neighbour, drawn by closeness, has the item's class: 0
where classes are apart, the entropy of the classes where they are mixed, more where items lie among
other classes. What it says depends on the temperature T in units of squared distance;
`temperature=None` takes the one at which the loss is lowest, as the authors do when they measure,
so that the scale of the representation does not count.

Cost: n² d once, and n² for each temperature tried; the n × n distances are held.
Reference: Frosst, Papernot and Hinton (2019), Analyzing and improving representations with the soft
nearest neighbor loss, arXiv:1902.01889, eq. 1 and §2.2; Salakhutdinov and Hinton (2007), AISTATS.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from inscape.core.folds import group_codes
from inscape.core.item_rows import checked_rows


class SoftNearest(NamedTuple):
    """The loss and the temperature that it was taken at.

    Attributes:
        loss: nats; items whose class has no other item are left out.
        temperature: in squared units of the representation.
        left_out: how many items were left out.
    """

    loss: float
    temperature: float
    left_out: int


def soft_nearest_neighbour(x: Any, labels: Any, *, temperature: float | None = None) -> SoftNearest:
    """Entanglement of classes.

    Args:
        x: (n, d).
        labels: class of each item, any values.
        temperature: T; None for the one that makes the loss lowest between 10⁻³ and 10³ mean
            squared distances.

    Raises:
        ValueError: rows that are all the same, no class with two items, or a temperature that is
            not positive.

    Example:
        >>> two = np.repeat([[0.0], [9.0]], 4, axis=0)
        >>> round(soft_nearest_neighbour(two, [0, 0, 0, 0, 1, 1, 1, 1]).loss, 6)
        0.0
    """
    rows = checked_rows(x, "soft_nearest_neighbour: x", least=2)
    codes = group_codes(labels, len(rows))
    if temperature is not None and not temperature > 0:
        raise ValueError(f"soft_nearest_neighbour: temperature must be positive, got {temperature}")
    alone = np.bincount(codes)[codes] < 2
    if alone.all():
        raise ValueError(
            "soft_nearest_neighbour: every class has a single item; give classes of two items or "
            "more"
        )
    rows = rows - rows.mean(axis=0)
    size = (rows**2).sum(axis=1)
    square = np.maximum(size[:, None] + size - 2 * (rows @ rows.T), 0.0)
    scale = float(square.sum()) / (len(rows) * (len(rows) - 1))
    if not scale > 0:
        raise ValueError("soft_nearest_neighbour: all rows are the same, so none is nearer")
    np.fill_diagonal(square, np.inf)
    same = codes[:, None] == codes

    def loss(t: float) -> float:
        power = -square / t
        own = np.where(same, power, -np.inf)[~alone]
        return float(np.mean(logsumexp(power[~alone], axis=1) - logsumexp(own, axis=1)))

    if temperature is None:
        # several minima are possible: the lowest of a grid, then the lowest around it
        logs = np.log(scale) + np.linspace(np.log(1e-3), np.log(1e3), 25)
        least = int(np.argmin([loss(float(np.exp(log))) for log in logs]))
        ends = (logs[max(least - 1, 0)], logs[min(least + 1, 24)])
        found = minimize_scalar(lambda log: loss(float(np.exp(log))), bounds=ends, method="bounded")
        temperature = float(np.exp(found.x))
    return SoftNearest(max(loss(temperature), 0.0), float(temperature), int(alone.sum()))
