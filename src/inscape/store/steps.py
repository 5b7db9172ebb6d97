"""What a shard's passes are: which examples run together, and which of them behind a prefix that they share.

Identical inputs of a shard are one. Those that begin with a shared prefix (`inscape.store.prefix`) are laid in rows behind
it; the others go in batches of near-equal length (`inscape.store.plan`). A shard's passes depend on its examples and the
data set's shared prefixes alone.

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


class Steps(NamedTuple):
    """The passes of a shard.

    Attributes:
        distinct: the first of each of its identical inputs, ascending.
        which: of those, which each of its examples is.
        steps: the passes, which make every distinct input's rows once.
    """

    distinct: Int[np.ndarray, " u"]
    which: Int[np.ndarray, " n"]
    steps: list[Step]

    @property
    def tokens(self) -> int:
        """Padded tokens of all passes."""
        return sum(step.tokens for step in self.steps)


def steps_of(inputs: Inputs, span: tuple[int, int], budget: int, overhead: int) -> Steps:
    """The passes of the examples ``span[0]`` to ``span[1]``.

    Args:
        inputs: what is fed in.
        span: half-open range of examples.
        budget: padded tokens a pass.
        overhead: what a pass costs besides, in tokens.
    """
    first, which = plan.unique(inputs.keys(span))
    distinct = span[0] + first
    sharing = inputs.sharing
    behind = np.zeros(len(distinct), dtype=bool) if sharing is None else sharing.of[distinct] >= 0
    alone = distinct[~behind]
    found = [
        Step(alone[chosen], len(chosen) * int(inputs.lengths[alone[chosen]].max()))
        for chosen in plan.batches_by_length(inputs.lengths[alone], budget, overhead)
    ]
    if sharing is not None:
        for rows, tokens in sharing.batches(distinct[behind], inputs.lengths, budget, overhead):
            found.append(Step(np.concatenate([row.members for row in rows]), tokens, tuple(rows)))
    return Steps(distinct, which, found)


def cost(inputs: Inputs, span: tuple[int, int], budget: int, overhead: int) -> int:
    """Padded tokens that a shard takes; a prefix is not counted, which is computed once for all shards."""
    return steps_of(inputs, span, budget, overhead).tokens
