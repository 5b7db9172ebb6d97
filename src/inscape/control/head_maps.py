"""Head maps: activation patching of every attention head at every position, layer × head × position.

A head's result is ``z``: what its attention has gathered, before the output projection. Everything else is as in
`inscape.control.patching`: the share of the way from base to source that one head at one token carries, and its first-order
estimate for all of them in two passes and one backward.

Cost: layers × heads × positions × pairs runs, many in one batch, each from its own layer on.
Reference: Meng et al. (2022), arXiv:2202.05262; Wang et al. (2022), arXiv:2211.00593, §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from inscape.control.patching import BUDGET, Metric, attribution_map, patch_map
from inscape.core.batch import Tokens
from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.model.model import Model


@dataclass(frozen=True)
class HeadMap:
    """What patching each head at each position did.

    Attributes:
        layers: blocks, (l,).
        positions: token positions, (p,).
        values: the metric with the one head patched there, (l, heads, p, n).
        base: the metric of the base runs, (n,).
        source: the metric of the source runs, (n,).
    """

    layers: tuple[int, ...]
    positions: tuple[int, ...]
    values: Float[np.ndarray, "l h p n"]
    base: Float[np.ndarray, " n"]
    source: Float[np.ndarray, " n"]

    @property
    def effect(self) -> Float[np.ndarray, "l h p"]:
        """Mean change over pairs, as a share of the mean way from base to source: 1 is all of it."""
        return (self.values - self.base).mean(axis=3) / (self.source - self.base).mean()


def heads_of(model: Model, layers: Sequence[int] | None = None) -> list[Site]:
    """The sites of every head, ``z.layer.head``, of some layers or all.

    Raises:
        ModelError: a model without attention heads.
    """
    if model.family is None or "z" not in model.family.points:
        raise ModelError(f"{model.name} has no attention heads whose results could be read; choose a transformer")
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
        if positions is not None:
            chosen = [p + len(found.positions) if p < 0 else p for p in positions]
            found = replace(found, positions=tuple(chosen), values=found.values[:, chosen])
    else:
        found = patch_map(model, base, source, sites, metric, positions=positions, budget=budget)
    depth = tuple(dict.fromkeys(s.layer or 0 for s in sites))
    shaped = found.values.reshape(len(depth), -1, *found.values.shape[1:])
    return HeadMap(depth, found.positions, shaped, found.base, found.source)
