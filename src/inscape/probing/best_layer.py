"""Whether a layer before the last is read better than the last.

    gain = accuracy(layer chosen by inner cross-validation) − accuracy(last layer)

on held-out rows. The place of the best layer says little by itself: with shuffled labels any layer
may be the best, so it nearly always lies before the last. The gain is then near zero. The same
procedure on shuffled labels, over the same layers, is its null.

Cost: that of the sweep.
Reference: Varma and Simon (2006), BMC Bioinformatics 7:91 (selection inside).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inscape.core.evidence import Evidence
from inscape.core.measured import Measured
from inscape.probing.frames import layer_of
from inscape.probing.sweep_result import SweepResult

SHUFFLED = "shuffled labels"


def above_last(result: SweepResult) -> Evidence:
    """By how much the layer that training rows choose is read better than the last layer.

    Args:
        result: a sweep over layers, of one target, with shuffles; the layer is chosen anew for
            each.

    Raises:
        ValueError: a sweep without at least two shuffles.
    """
    last = int(np.argmax([layer_of(s) for s in result.sites]))
    unit = result.metric
    m = Measured(f"held-out {unit}", unit=unit)
    m.put_statistic("chosen layer", result.selected_statistic(0))
    m.put_statistic("last layer", result.site_statistic(last, 0), role="baseline")
    m.put_draws(SHUFFLED, result.selected_scores[1:, 0] - result.null_scores[last, :, 0])
    return replace(m.gain("chosen layer", over="last layer", null=SHUFFLED), n=len(result.y))
