"""How far before the last layer the best one lies, by held-out accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inscape.core import intervals
from inscape.core.evidence import Evidence, Null
from inscape.probing.frames import layer_of
from inscape.probing.sweep import SweepResult


def before_last(
    result: SweepResult, shuffled: Sequence[SweepResult], *, rng: np.random.Generator
) -> Evidence:
    """How many layers before the last the layer with the highest held-out accuracy lies, in the data and in draws of groups.

    Args:
        result: a sweep over layers.
        shuffled: the same on shuffled labels, whose best layers are the null.
        rng: of the bootstrap.
    """
    layers = np.array([layer_of(s) for s in result.sites])
    loss = intervals.sum_by_group(result.row_loss[:, :, 0].T, result.groups)
    draws = intervals.group_counts(len(loss), 1000, rng=rng) @ loss
    depth = layers.max() - layers[draws.argmin(axis=1)]
    low, high = intervals.percentile(depth.astype(np.float64))
    best = [float(layer_of(r.sites[int(r.scores[:, 0].argmax())])) for r in (result, *shuffled)]
    value, *null = (float(layers.max()) - b for b in best)
    return Evidence(
        "layers between the best one and the last",
        value,
        (min(float(low), value), max(float(high), value)),
        Null.of("best layer for shuffled labels", null),
        n=len(result.y),
        unit="layers",
    )
