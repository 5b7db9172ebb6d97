"""What each adapter is good for: what is lost without it, here and there, and how far it writes
where the answer begins.

    lost_i = Σ_q (s_q − s_q without i) / Σ_q (s_q − s_q untuned)        s_q the score of question q under all adapters
    written_i = mean_q |(α / r) B_i A_i x_q|                            x_q what enters the layer at the last prompt token

An adapter that is lost everywhere acts in general, one that is lost on the topic of the tune alone
acts there.

Cost: one pass over all questions an adapter.
Reference: Soligo et al. (2025), arXiv:2506.11618, §4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from inscape.control.low_rank_adapter import LowRankAdapters, attached, gates
from inscape.core.evidence import Beside, Evidence
from inscape.core.measured import Measured
from inscape.model.model import Model
from inscape.outcomes.paired_answers import PairedAnswers


@dataclass(frozen=True, eq=False)
class Place:
    """Questions of one kind.

    Attributes:
        prompts: the questions.
        asked: the same with their pairs of answers.
        groups: group of each question.
        untuned: their scores without any adapter.
    """

    prompts: Sequence[str]
    asked: PairedAnswers
    groups: np.ndarray
    untuned: Float[np.ndarray, " questions"]

    @classmethod
    def of(
        cls,
        model: Model,
        questions: pd.DataFrame,
        ones: Sequence[str],
        others: Sequence[str],
    ) -> Place:
        """Questions with pairs of answers in turn, scored without any adapter.

        Args:
            model: without adapters.
            questions: columns ``prompt`` and ``topic``, which is the group.
            ones: answers, without the space before them.
            others: their counterparts.
        """
        prompts = questions["prompt"].tolist()
        asked = PairedAnswers.of(model, prompts, ones, others)
        return cls(prompts, asked, questions["topic"].to_numpy(), asked.scores())


def roles(
    model: Model,
    adapters: LowRankAdapters,
    places: Mapping[str, Place],
    advance: Callable[[], object] = lambda: None,
) -> list[Evidence]:
    """Knock out one adapter at a time.

    Args:
        model: without the adapters attached.
        adapters: at least two.
        places: name → questions.
        advance: called after each adapter.

    Returns:
        The share lost for every adapter and place, in ``where`` the adapter's path, the place and
        how far it writes. Beside it is the mean share that the other adapters lose.
    """
    full, written, lost = {}, {}, {}
    with attached(model, adapters):
        for name, place in places.items():
            full[name] = place.asked.scores()
    for name, place in places.items():
        batch = model.batch(list(place.prompts))
        assert batch.lengths is not None
        for path, gate in gates(model, adapters, batch, at=batch.lengths[:, None] - 1).items():
            there = adapters.scale * gate @ adapters.up[path].detach().T
            written[path, name] = float(there.norm(dim=-1).mean())
    for path in adapters.names:
        with attached(model, adapters.without([path])):
            for name, place in places.items():
                lost[path, name] = full[name] - place.asked.scores()
        advance()
    out = []
    for name, place in places.items():
        m = Measured(
            "share of the change lost without it", groups=place.groups, unit="share", kind="ratio"
        )
        for path in adapters.names:
            m.put(path, lost[path, name], full[name] - place.untuned)
        shares = {path: c.mean.value for path, c in m.conditions.items()}
        for path in adapters.names:
            rest = float(np.mean([s for p, s in shares.items() if p != path]))
            where = {"adapter": path, "asked": name, "written": written[path, name]}
            beside = (Beside("reference", "mean of the other adapters", rest),)
            out.append(m.value(path, where=where, beside=beside))
    return out
