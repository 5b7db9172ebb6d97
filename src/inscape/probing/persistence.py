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

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from inscape.core.evidence import Evidence
from inscape.core.nulls import permutations
from inscape.probing.class_scores import ClassScores
from inscape.probing.class_task import ClassTask, chance_scores, predicted, taken_along
from inscape.probing.frames import SHUFFLED

FITTED, CARRIED = "probe fitted there", "probe fitted at the text's end"


def persistence(
    task: ClassTask,
    rows: Int[np.ndarray, " n"],
    read: Mapping[int, Mapping[str, np.ndarray]],
    shuffles: Mapping[int, int],
    *,
    rng: np.random.Generator,
    advance: Callable[[], Any] | None = None,
) -> list[Evidence]:
    """Accuracy at every distance, with coordinates ``tokens`` and ``probe``.

    Args:
        task: whose label is read.
        rows: its rows that are read.
        read: distance → site → states of those rows, as `inscape.read.trailing` gives them; 0 among
            the distances.
        shuffles: distance → how many permutations of the rows' labels its null has; those of a
            distance are the first of the longest list.
        rng: of the permutations.
        advance: told of every distance.

    Raises:
        ValueError: no distance 0, where the carried probe is fitted, or one without shuffles.
    """
    if 0 not in read or any(d not in shuffles for d in read):
        raise ValueError(
            "persistence: distances must hold 0, and shuffles a number for each, got "
            f"{list(read)} and {dict(shuffles)}"
        )
    y, groups, found = task.y[rows], task.groups[rows], []
    hot, most = np.eye(len(task.classes))[y], max(shuffles.values())
    orders = permutations(len(y), most, rng=rng, groups=groups, labels=hot)
    scores, first = ClassScores(y, groups, "accuracy"), task.sweep(read[0], rows)
    for distance, here in read.items():
        null = chance_scores(scores, task.shuffled(here, rows, orders[: shuffles[distance]]))
        made = {FITTED: predicted(task.sweep(here, rows))}
        made[CARRIED] = taken_along(first, read[0], here, y)
        name = f"accuracy {distance} tokens on"
        for probe, codes in made.items():
            where = {"tokens": distance, "probe": probe}
            found.append(scores.evidence(name, codes, null, where=where))
        if advance is not None:
            advance()
    return found


def persistence_lines(found: Sequence[Evidence]) -> pd.DataFrame:
    """`persistence` as `inscape.charts.curves.curves` draws it: a line for each probe, and the null
    of the probes fitted there.
    """
    rows = []
    for e in found:
        low, high = e.ends
        at = {"series": e.where["probe"], "x": e.where["tokens"]}
        rows.append({**at, "value": e.value, "low": low, "high": high})
        if e.null is not None and e.where["probe"] == FITTED:
            ends = {"value": e.null.mean, "low": e.null.low, "high": e.null.high}
            rows.append({**at, "series": SHUFFLED, **ends})
    return pd.DataFrame(rows)
