"""Head maps: activation patching of every attention head at every position, layer × head ×
position.

A head's result is ``z``: what its attention has gathered, before the output projection. Everything
else is as in `inscape.control.patching`: the share of the way from base to source that one head at
one token carries, and its first-order estimate for all of them in two passes and one backward.

Cost: layers × heads × positions × pairs runs, many in one batch, each from its own layer on.
Reference: Meng et al. (2022), arXiv:2202.05262; Wang et al. (2022), arXiv:2211.00593, §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from inscape.control.patching import BUDGET, Metric, PatchMap, attribution_map, counted, patch_map
from inscape.core.batch import Tokens
from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.model.model import Model


@dataclass(frozen=True)
class HeadMap:
    """What patching each head at each position did.

    Attributes:
        layers: blocks, (l,).
        cells: the map, a row for every head, layer after layer.
    """

    layers: tuple[int, ...]
    cells: PatchMap

    @property
    def values(self) -> Float[np.ndarray, "l h p n"]:
        """The metric with the one head patched there."""
        return self.cells.values.reshape(len(self.layers), -1, *self.cells.values.shape[1:])

    @property
    def effect(self) -> Float[np.ndarray, "l h p"]:
        """Mean change over pairs, as a share of the mean way from base to source: 1 is all of
        it.
        """
        return self.cells.effect.reshape(len(self.layers), -1, len(self.cells.positions))


def heads_of(model: Model, layers: Sequence[int] | None = None) -> list[Site]:
    """The sites of every head, ``z.layer.head``, of some layers or all.

    Raises:
        ModelError: a model without attention heads.
    """
    if model.family is None or "z" not in model.family.points:
        raise ModelError(
            f"{model.name} has no attention heads whose results could be read; choose a transformer"
        )
    chosen = range(len(model.atlas.blocks)) if layers is None else layers
    count = model.atlas.heads(Site("z", 0))
    return [Site("z", layer, head) for layer in chosen for head in range(count)]


def head_map(
    model: Model,
    base: Sequence[Tokens],
    source: Sequence[Tokens],
    metric: Metric,
    *,
    layers: Sequence[int] | None = None,
    positions: Sequence[int] | None = None,
    estimate: bool = False,
    budget: int = BUDGET,
) -> HeadMap:
    """The metric for every head and position patched alone.

    Args:
        model: a causal language model.
        base: texts that are run.
        source: for each, the text whose head results are put in; all of one length.
        metric: of the logits at the last token.
        layers: which, ascending; all by default.
        positions: which; all by default.
        estimate: attribution in place of patching: two passes and one backward.
        budget: padded tokens a batch.

    Raises:
        ModelError: a model without attention heads.
        ValueError: as `inscape.control.patching.patch_map`.
    """
    sites = heads_of(model, layers)
    if estimate:
        found = attribution_map(model, base, source, sites, metric)
        where = counted(positions, len(found.positions))
        found = replace(found, positions=tuple(where), values=found.values[:, where])
    else:
        found = patch_map(model, base, source, sites, metric, positions=positions, budget=budget)
    return HeadMap(tuple(dict.fromkeys(s.layer or 0 for s in sites)), found)
