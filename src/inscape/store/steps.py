"""What a shard's passes are: which examples run together, and which of them behind a prefix that they share.

Examples that begin with a shared prefix (`inscape.store.prefix`) are laid in rows behind it; the others go in batches of
near-equal length (`inscape.store.plan`). A shard's passes depend on its examples and the data set's shared prefixes alone.

Cost: that of planning; nothing is run.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from inscape.store import plan
from inscape.store.inputs import Inputs
from inscape.store.prefix import Laid


class Step(NamedTuple):
    """One pass.

    Attributes:
        members: the examples whose rows it makes, in the order in which it makes them.
        tokens: padded tokens that it computes.
        rows: how they are laid behind prefixes; empty where each is run whole.
    """

    members: Int[np.ndarray, " _"]
    tokens: int
    rows: tuple[Laid, ...] = ()


def steps_of(inputs: Inputs, span: tuple[int, int], budget: int, overhead: int) -> list[Step]:
    """The passes of the examples ``span[0]`` to ``span[1]``, which make each one's rows once.

    Args:
        inputs: what is fed in.
        span: half-open range of examples.
        budget: padded tokens a pass.
        overhead: what a pass costs besides, in tokens.
    """
    examples, sharing = np.arange(*span), inputs.sharing
    behind = np.zeros(len(examples), dtype=bool) if sharing is None else sharing.of[examples] >= 0
    alone = examples[~behind]
    found = [
        Step(alone[chosen], len(chosen) * int(inputs.lengths[alone[chosen]].max()))
        for chosen in plan.batches_by_length(inputs.lengths[alone], budget, overhead)
    ]
    if sharing is not None:
        for rows, tokens in sharing.batches(examples[behind], inputs.lengths, budget, overhead):
            found.append(Step(np.concatenate([row.members for row in rows]), tokens, tuple(rows)))
    return found


def cost(inputs: Inputs, span: tuple[int, int], budget: int, overhead: int) -> int:
    """Padded tokens that a shard takes; a prefix is not counted, which is computed once for all shards."""
    return sum(step.tokens for step in steps_of(inputs, span, budget, overhead))
