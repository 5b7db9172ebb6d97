"""How long does a representation last? A probe fitted anew at growing distances, and one carried
along.

    fitted there:   trained and scored on the rows at distance k
    carried:        trained at distance 0, scored at distance k

The first says whether the label can still be read, the second whether it is still written the same
way. Both have the null of probes fitted at k on shuffled labels.

Cost: (1 + shuffles) sweeps a distance.
Reference: Zhang and Zhong (2025), arXiv:2510.04064, §5 (persistence of emotion).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from inscape.core.evidence import Evidence
from inscape.probing.class_scores import ClassScores
from inscape.probing.class_task import ClassTask, chance_scores, predicted, taken_along

FITTED, CARRIED = "probe fitted there", "probe fitted at the text's end"


def persistence(
    task: ClassTask,
    rows: Int[np.ndarray, " n"],
    read: Mapping[int, Mapping[str, np.ndarray]],
    orders: Mapping[int, Int[np.ndarray, "shuffles n"]],
    advance: Callable[[], Any] | None = None,
) -> list[Evidence]:
    """Accuracy at every distance, with coordinates ``tokens`` and ``probe``.

    Args:
        task: whose label is read.
        rows: its rows that are read.
        read: distance → site → states of those rows, as `inscape.read.trailing` gives them; 0 among
            the distances.
        orders: for each distance permutations of the rows' labels, for its null.
        advance: told of every distance.
    """
    y, found = task.y[rows], []
    scores, first = ClassScores(y, task.groups[rows], "accuracy"), task.sweep(read[0], rows)
    for distance, here in read.items():
        null = chance_scores(scores, task.shuffled(here, rows, orders[distance]))
        made = {FITTED: predicted(task.sweep(here, rows))}
        made[CARRIED] = taken_along(first, read[0], here, y)
        name = f"accuracy {distance} tokens on"
        for probe, codes in made.items():
            where = {"tokens": distance, "probe": probe}
            found.append(scores.evidence(name, codes, null, where=where))
        if advance is not None:
            advance()
    return found
