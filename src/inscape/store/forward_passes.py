"""The forward passes of a shard: which examples run together, and which continue a shared prefix.

Examples that begin with a shared prefix (`inscape.store.prefix_sharing`) are laid in rows behind
it; the others go in batches of near-equal length (`inscape.store.sharding`). A shard's passes
depend on its examples and the data set's shared prefixes alone.

Cost: that of planning; nothing is run.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from inscape.model import batching
from inscape.store.inputs import Inputs
from inscape.store.prefix_sharing import ContinuationRow


class ForwardPass(NamedTuple):
    """One pass.

    Attributes:
        members: the examples whose rows it makes, in the order in which it makes them.
        tokens: padded tokens that it computes.
        rows: how they are laid behind prefixes; empty where each is run whole.
    """

    members: Int[np.ndarray, " _"]
    tokens: int
    rows: tuple[ContinuationRow, ...] = ()


def forward_passes(
    inputs: Inputs, span: tuple[int, int], budget: int, overhead: int
) -> list[ForwardPass]:
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
        ForwardPass(alone[chosen], len(chosen) * int(inputs.lengths[alone[chosen]].max()))
        for chosen in batching.batches_alike(
            inputs.lengths[alone], inputs.kinds(alone), budget, overhead
        )
    ]
    if sharing is not None:
        for rows, tokens in sharing.batches(examples[behind], inputs.lengths, budget, overhead):
            found.append(
                ForwardPass(np.concatenate([row.members for row in rows]), tokens, tuple(rows))
            )
    return found


class ForwardPasses(Sequence[ForwardPass]):
    """The passes of all shards: what each takes is held, and how it is laid out is found again when
    it is asked for.

    Args:
        inputs: what is fed in.
        spans: half-open ranges of examples, the shards.
        budget, overhead: as `forward_passes` takes them.

    Attributes:
        tokens: padded tokens of each pass, int64.
        longest: tokens of the longest example of each, int64.
        behind: whether each follows prefixes.
        prefixes: of each shard, the numbers of the prefixes that its passes follow, ascending.
    """

    def __init__(
        self, inputs: Inputs, spans: Sequence[tuple[int, int]], budget: int, overhead: int
    ) -> None:
        self._inputs, self._spans, self._limits = inputs, spans, (budget, overhead)
        tokens, longest, behind, starts = array("q"), array("q"), array("b"), array("q")
        self.prefixes: list[list[int]] = []
        for span in spans:
            starts.append(len(tokens))
            used: set[int] = set()
            for step in forward_passes(inputs, span, budget, overhead):
                tokens.append(step.tokens)
                longest.append(int(inputs.lengths[step.members].max()))
                behind.append(bool(step.rows))
                used.update(row.which for row in step.rows)
            self.prefixes.append(sorted(used))
        self.tokens, self.longest = np.array(tokens), np.array(longest)
        self.behind, self._starts = np.array(behind, dtype=bool), np.array(starts)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        shard = int(np.searchsorted(self._starts, i, side="right")) - 1
        return forward_passes(self._inputs, self._spans[shard], *self._limits)[
            i - self._starts[shard]
        ]


def padded_tokens(inputs: Inputs, span: tuple[int, int], budget: int, overhead: int) -> int:
    """Padded tokens that a shard takes; a prefix is not counted, which is computed once for all
    shards.
    """
    return sum(step.tokens for step in forward_passes(inputs, span, budget, overhead))
