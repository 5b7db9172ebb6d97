"""Whether a row of a harvest is its example's own, or depends on what was computed beside it.

Experts of fixed capacity, statistics of a batch, attention across it: such a network gives an
example other numbers in other company, and a harvest would keep those of batches that nobody chose.
So of a pass the last three examples (of which experts drop most) and one of its middle are computed
alone as well, and

    ‖x(in its batch) − x(alone)‖ ≤ tolerance · max(‖x(alone)‖, root mean square of the pass's norms)

where tolerance is 1e-3, and 5e-2 in half precision. Where it does not hold, both are computed again
in float64, in which rounding alone does not change a choice of experts; in half precision, where
that cannot be had, the harvest is warned of and not refused.

Networks of the built-in tables are looked at by no pass: their certificate measures this, and their
code is known. Cost: four passes of one example at the first pass of a harvest, at one of twice as
many tokens as any looked at, and after each hundred times as much has been computed. What is dropped
so seldom that none of these examples shows it is not found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.model.identity import packaged
from inscape.model.registry import built_in
from inscape.store.forward_passes import ForwardPass
from inscape.store.inputs import Inputs

log = logging.getLogger(__name__)

#: how much is computed between two looks, of what one look computes
_BETWEEN = 100
#: examples that one look computes alone
_LOOK = 4
#: in float64
_EXACT = 1e-6
#: bytes of weights of which a copy in float64 is made, where there is a doubt
_COPIED = 1 << 30

#: (model, inputs, pass, sites) → site → (rows, width)
Run = Callable[[Any, Inputs, ForwardPass, Sequence[Site]], Mapping[Site, Tensor]]


def refuse_dependent(
    model: Any,
    inputs: Inputs,
    step: ForwardPass,
    sites: Sequence[Site],
    made: Mapping[Site, Tensor],
    run: Run,
) -> None:
    """Refuse a pass whose rows depend on each other, where it is one that is looked at.

    Args:
        model: the model.
        inputs: of the harvest; they keep how much has been computed since the last look.
        step: the pass.
        sites: what was captured.
        made: the rows that it gave, site → (rows, width), its members in order.
        run: how the rows of whole examples are computed.

    Raises:
        ModelError: an example gives other rows alone.
    """
    if len(step.members) < 2 or not _is_due(inputs, step) or _is_known(model):
        return
    counts = inputs.rows[step.members]
    ends = np.cumsum(counts)
    last = len(counts) - 1
    for place in sorted({last // 2, *range(max(0, last - 2), last + 1)}, reverse=True):
        own = slice(int(ends[place] - counts[place]), int(ends[place]))
        chosen = step.members[[place]]
        single = ForwardPass(chosen, int(inputs.lengths[chosen[0]]))
        alone = run(model, inputs, single, sites)
        worst, gap = _worst(made, alone, own, sites)
        halved = model.dtype not in (torch.float32, torch.float64)
        if gap <= (5e-2 if halved else 1e-3):
            continue
        rounding = _is_rounding(model, inputs, step, single, sites, own, run)
        if rounding:
            continue
        said = (
            f"{model.name} gives example {inputs.number(int(chosen[0]))} other numbers in a batch "
            f"of {len(step.members)} than alone ({worst} differs by {gap:.2g} of its size): what "
            "it computes of an example depends on the others beside it (experts of fixed "
            "capacity, statistics of the batch, attention across it) or on padding; harvest with "
            "budget=1, one example a pass"
        )
        if rounding is None and halved:
            log.warning("%s. In %s it may be rounding too", said, str(model.dtype)[6:])
            return
        raise ModelError(said)


def _is_due(inputs: Inputs, step: ForwardPass) -> bool:
    largest, since = inputs.looked
    cost = _LOOK * step.tokens / len(step.members)
    due = step.tokens >= 2 * largest or since >= _BETWEEN * cost
    inputs.looked = (max(largest, step.tokens), 0) if due else (largest, since + step.tokens)
    return due


def _is_known(model: Any) -> bool:
    """Whether all that it computes is of a table and of modules that are known."""
    if model.family is None or not built_in(model.family):
        return False
    return all(map(packaged, {type(module) for module in model.net.modules()}))


def _worst(
    made: Mapping[Site, Tensor], alone: Mapping[Site, Tensor], own: slice, sites: Sequence[Site]
) -> tuple[Site, float]:
    """The site at which one example's rows differ most, and by how much of their size."""
    gaps = {site: _gap(made[site], made[site][own], alone[site]) for site in sites}
    worst = max(gaps, key=gaps.__getitem__)
    return worst, gaps[worst]


def _gap(all_rows: Tensor, found: Tensor, want: Tensor) -> float:
    found, want = found.double(), want.double()
    if found.shape != want.shape or not torch.equal(torch.isfinite(found), torch.isfinite(want)):
        return float("inf")
    found, want = (x.nan_to_num(0.0, 0.0, 0.0) for x in (found, want))
    norms = torch.linalg.vector_norm(all_rows, dim=1, dtype=torch.float64)
    usual = float(norms.where(torch.isfinite(norms), 0.0).square().mean().sqrt())
    size = want.norm(dim=1).clamp_min(usual)
    gap = (found - want).norm(dim=1) / size.clamp_min(1e-30)
    return float(gap.max()) if len(gap) else 0.0


def _is_rounding(
    model: Any,
    inputs: Inputs,
    step: ForwardPass,
    single: ForwardPass,
    sites: Sequence[Site],
    own: slice,
    run: Run,
) -> bool | None:
    """Whether the difference is gone in float64; None where that cannot be computed."""
    size = sum(p.numel() * p.element_size() for p in model.net.parameters())
    if size > _COPIED or step.rows:
        return None
    with suppress(Exception):  # whatever a network makes of another dtype than its own
        wide = model.copied("in float64", torch.float64)
        alone = run(wide, inputs, single, sites)
        return _worst(run(wide, inputs, step, sites), alone, own, sites)[1] <= _EXACT
    return None
