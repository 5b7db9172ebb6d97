"""Edits that hold neurons at the mean they have in a store: what is left when they say nothing of
the example.
"""

from __future__ import annotations

import pandas as pd
import torch

from inscape.core.edit import Edit, Replace, Scope
from inscape.store.store import Store


def held_at_mean(store: Store, neurons: pd.DataFrame) -> list[Edit]:
    """One edit per site, at every position.

    Args:
        store: has the neurons' sites.
        neurons: columns ``site`` and ``neuron``; repeats count once.

    Returns:
        The edits.

    Raises:
        StoreError: a site that was not harvested.
    """
    edits: list[Edit] = []
    for site, part in neurons.groupby("site"):
        columns = tuple(sorted({int(c) for c in part["neuron"]}))
        mean = torch.from_numpy(store.matrix(str(site))[:, columns].mean(axis=0))
        edits.append(Replace(Scope(str(site)), mean, columns))
    return edits
