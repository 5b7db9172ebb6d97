"""Dose: any edit in part, or more than whole; the strength of a vector by layer.

    h ← h + s (edit(h) − h)         s = 0 nothing, 1 the edit, between them part of it, above 1 more than it does

An added vector has a strength of its own; an eraser, a clamp or a learned map has none, and this
gives it one, so that every intervention has a dose–response curve. A schedule says how the strength
of a steering vector is shared over its layers:

    even      1 / L each                      triangle   most in the middle of the layers, none beyond their ends
    relative  a share of the typical norm of the residual stream there, which grows with depth
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float

from inscape.control.steering_vector import SteeringVector
from inscape.core.edit import Add, Edit, Scope

#: block and all blocks → factor of the vector on that block
Schedule = Callable[[int, Sequence[int]], float]


@dataclass(frozen=True)
class Dosed(Edit):
    """`share` of what another edit does, in that edit's scope; `dosed` makes it.

    Attributes:
        edit: what is done in part.
        share: how much of it.
    """

    edit: Edit = field(default_factory=lambda: Add(Scope("embed")))
    share: float = 1.0

    def apply(self, h: Float[torch.Tensor, "... d"]) -> Float[torch.Tensor, "... d"]:
        return h + self.share * (self.edit.apply(h) - h)


def dosed(edits: Sequence[Edit], share: int | float) -> list[Edit]:
    """The same edits in part, each in its own scope.

    Example:
        >>> half, = dosed([Add(Scope("embed"), torch.ones(2))], 0.5)
        >>> half.apply(torch.zeros(1, 2)).tolist()
        [[0.5, 0.5]]
    """
    return [Dosed(edit.scope, edit, float(share)) for edit in edits]


def scheduled(vector: SteeringVector, schedule: Schedule) -> SteeringVector:
    """The vector with each block's row times the schedule's factor; blocks whose factor is zero are
    left out.

    Raises:
        ValueError: the schedule leaves no block.

    Example:
        >>> v = SteeringVector({4: np.ones(2), 5: np.ones(2)})
        >>> scheduled(v, even).vectors[4].tolist()
        [0.5, 0.5]
    """
    layers = list(vector.vectors)
    factor = {layer: float(schedule(layer, layers)) for layer in layers}
    rows = {
        layer: row * factor[layer] for layer, row in vector.vectors.items() if factor[layer] != 0
    }
    if not rows:
        raise ValueError(
            f"scheduled: the schedule is zero on every block ({layers}), so no vector is left"
        )
    return replace(vector, vectors=rows)


def even(_layer: int, layers: Sequence[int]) -> float:
    """1 / L on each of L blocks: what all of them add comes to one vector's worth."""
    return 1 / len(layers)


def triangle(layer: int, layers: Sequence[int]) -> float:
    """Linearly up to 1 at the middle block and down again; the factor next beyond either end would
    be 0.
    """
    middle, half = (min(layers) + max(layers)) / 2, (max(layers) - min(layers)) / 2 + 1
    return 1 - abs(layer - middle) / half


def window(start: int, stop: int) -> Schedule:
    """1 on blocks start … stop − 1, 0 on others."""
    return lambda layer, _layers: float(start <= layer < stop)


def relative(vector: SteeringVector, norms: Mapping[int, float]) -> Schedule:
    """Factors that make each block's row as long as the residual stream typically is there:
    strength is then a share of it.

    Args:
        vector: the vector to be scheduled.
        norms: typical norm of the residual stream after each block; see `typical_norms`.

    Raises:
        ValueError: a block of the vector has no norm, or its row is zero.
    """
    missing = [layer for layer in vector.vectors if layer not in norms]
    if missing:
        raise ValueError(
            f"relative: no norm for block {missing[0]}; give one for each of {list(vector.vectors)}"
        )
    sizes = {layer: float(np.linalg.norm(row)) for layer, row in vector.vectors.items()}
    if min(sizes.values()) == 0:
        raise ValueError(
            "relative: a row of the vector is zero and cannot be made longer; leave that block out"
        )
    return lambda layer, _layers: norms[layer] / sizes[layer]


def typical_norms(x: Float[np.ndarray, "layers n d"], layers: Sequence[int]) -> dict[int, float]:
    """Median norm of rows of each layer: the median, since a first token that is an attention sink
    is far longer.
    """
    return {
        layer: float(np.median(np.linalg.norm(rows, axis=-1)))
        for layer, rows in zip(layers, x, strict=True)
    }
