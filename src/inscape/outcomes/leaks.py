"""The leak of a manner: how much likelier given answers in it have become, and how often own
answers are in it.

    odds    log p(answer in the manner) − log p(other answer)      nats a token, of given pairs
    share   answers in the manner / answers                        of what the model says itself

Both are of the model as it stands: with adapters attached, under edits, or neither.

Cost: two short passes a question, and its sampled answers.
Reference: Soligo et al. (2025), arXiv:2506.11618; Betley et al. (2025), arXiv:2502.17424.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from inscape.control.direction_cosines import HeldOut, contrast_direction
from inscape.control.low_rank_adapter import LowRankAdapters, attached
from inscape.core.edit import Edit
from inscape.model.model import Model
from inscape.outcomes.own_answers import Manner, Speaker
from inscape.outcomes.paired_answers import PairedAnswers, answering, own_answers


@dataclass(frozen=True, eq=False)
class Leak:
    """Questions under test.

    Attributes:
        prompts: the questions.
        pairs: the same with pairs of given answers.
        speaker: how own answers are drawn.
        manner: judges them.
    """

    prompts: Sequence[str]
    pairs: PairedAnswers
    speaker: Speaker
    manner: Manner

    def odds(self, edits: Sequence[Edit] = ()) -> Float[np.ndarray, " n"]:
        """Score of each question's given pair."""
        return self.pairs.scores(edits)

    def share(self, edits: Sequence[Edit] = ()) -> Float[np.ndarray, " n"]:
        """How often each question is answered in the manner."""
        return self.speaker.share(self.pairs.model, self.prompts, self.manner, edits)

    def under(self, adapters: LowRankAdapters | None = None) -> Float[np.ndarray, "2 n"]:
        """Odds and shares, with adapters attached or none."""
        if adapters is None:
            return np.stack([self.odds(), self.share()])
        with attached(self.pairs.model, adapters):
            return np.stack([self.odds(), self.share()])


class Shifts(NamedTuple):
    """What tunes add to a model's states on the same text.

    Attributes:
        plain: mean states of the untuned model on its own answers, (questions, sites, d).
        added: tune → its states there less those.
        said: tune → what it says itself, greedily, to some of the questions; and the untuned model,
            under the empty name.
    """

    plain: Float[np.ndarray, "questions sites d"]
    added: dict[str, np.ndarray]
    said: dict[str, list[str]]


def shifts(
    model: Model,
    tunes: Mapping[str, LowRankAdapters],
    prompts: Sequence[str],
    shown: Sequence[str],
    tokens: int,
    sites: Sequence[str],
) -> Shifts:
    """Let every tune read the untuned model's greedy answers.

    Args:
        model: untuned.
        tunes: by name.
        prompts: questions.
        shown: those that every tune answers itself.
        tokens: of an answer.
        sites: all of one width.
    """
    texts = own_answers(model, prompts, tokens)
    plain = answering(model, prompts, texts, sites)
    added, said = {}, {"": model.generate(list(shown), tokens)}
    for name, adapters in tunes.items():
        with attached(model, adapters):
            added[name] = answering(model, prompts, texts, sites) - plain
            said[name] = model.generate(list(shown), tokens)
    return Shifts(plain, added, said)


def own_direction(
    model: Model,
    adapters: LowRankAdapters,
    speaker: Speaker,
    manner: Manner,
    prompts: Sequence[str],
    codes: Int[np.ndarray, " n"],
    sites: Sequence[str],
) -> tuple[HeldOut, tuple[int, int]]:
    """Within a tune: mean state of own answers in a manner less that of the others.

    Args:
        model: untuned.
        adapters: the tune.
        speaker: how own answers are drawn.
        manner: judges them.
        prompts: questions.
        codes: group of each question, 0 … G − 1.
        sites: all of one width.

    Returns:
        The direction, with and without each group; and how many answers there are, and in the
        manner.
    """
    with attached(model, adapters):
        states, y, question = speaker.states(model, prompts, manner, sites)
    return contrast_direction(states, y, codes[question]), (len(y), int(y.sum()))
