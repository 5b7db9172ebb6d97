"""How far before the last layer the best one lies, by held-out accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inscape.core import intervals
from inscape.core.evidence import Evidence
from inscape.core.measured import Measured
from inscape.probing.frames import layer_of
from inscape.probing.sweep_result import SweepResult

SHUFFLED = "best layer for shuffled labels"


def before_last(
    result: SweepResult, shuffled: Sequence[SweepResult], *, rng: np.random.Generator
) -> Evidence:
    """How many layers before the last the layer with the highest held-out accuracy lies.

    Args:
        result: a sweep over layers.
        shuffled: the same on shuffled labels, whose best layers are the null.
        rng: of the bootstrap over groups, since the layer of a maximum has no jackknife.
    """
    layers = np.array([layer_of(s) for s in result.sites])
    loss = intervals.sum_by_group(result.row_loss[:, :, 0].T, result.groups)
    draws = intervals.group_counts(len(loss), 1000, rng=rng) @ loss
    best = [layer_of(r.sites[int(r.scores[:, 0].argmax())]) for r in (result, *shuffled)]
    value, *null = (float(layers.max() - b) for b in best)
    m = Measured("layers between the best one and the last", unit="layers")
    m.put_resampled("best", value, layers.max() - layers[draws.argmin(axis=1)])
    m.put_draws(SHUFFLED, null)
    # few shuffles: the null is shown, and nothing is tested against it
    return replace(m.value("best", null=SHUFFLED), n=len(result.y), p=None)
