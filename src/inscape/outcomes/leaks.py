"""The leak of a manner: how much likelier given answers in it have become, and how often own
answers are in it.

    odds    log p(answer in the manner) − log p(other answer)      nats a token, of given pairs
    share   answers in the manner / answers                        of what the model says itself

Both are of the model as it stands: with adapters attached, under edits, or neither.

Cost: two short passes a question, and its sampled answers.
Reference: Soligo et al. (2025), arXiv:2506.11618; Betley et al. (2025), arXiv:2502.17424.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.control.direction_cosines import HeldOut, contrast_direction
from inscape.control.low_rank_adapter import LowRankAdapters, attached
from inscape.core.edit import Edit
from inscape.core.evidence import Evidence
from inscape.core.folds import group_codes
from inscape.core.jackknife import Jackknife
from inscape.core.measured import Measured, Role
from inscape.model.model import Model
from inscape.outcomes.own_answers import Manner, Speaker
from inscape.outcomes.paired_answers import PairedAnswers, answering, own_answers
from inscape.outcomes.side_effects import PLAIN, beside_random


@dataclass(frozen=True, eq=False)
class Leak:
    """Questions under test.

    Attributes:
        prompts: the questions.
        pairs: the same with pairs of given answers.
        speaker: how own answers are drawn.
        manner: judges them.
        groups: group of each question.
    """

    prompts: Sequence[str]
    pairs: PairedAnswers
    speaker: Speaker
    manner: Manner
    groups: np.ndarray

    @classmethod
    def of(
        cls,
        model: Model,
        questions: pd.DataFrame,
        answers: tuple[Sequence[str], Sequence[str]],
        speaker: Speaker,
        manner: Manner,
    ) -> Leak:
        """Questions with pairs of given answers in turn.

        Args:
            model: asked.
            questions: columns ``prompt`` and ``topic``, which is the group.
            answers: those in the manner, and their counterparts.
            speaker: how own answers are drawn.
            manner: judges them.
        """
        prompts = questions["prompt"].tolist()
        pairs = PairedAnswers.of(model, prompts, *answers)
        return cls(prompts, pairs, speaker, manner, questions["topic"].to_numpy())

    @property
    def model(self) -> Model:
        """The model that is asked."""
        return self.pairs.model

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


@dataclass(frozen=True, eq=False)
class Leaks:
    """The leak of several tunes of one model.

    Attributes:
        leak: the questions.
        tunes: name → adapters.
        scores: what is measured, ``"odds"`` or ``"shares"`` → tune → one value for each question;
            the untuned model's stand under `PLAIN`.
    """

    leak: Leak
    tunes: Mapping[str, LowRankAdapters]
    scores: Mapping[str, Mapping[str, Float[np.ndarray, " n"]]]

    @classmethod
    def of(
        cls,
        leak: Leak,
        tunes: Mapping[str, LowRankAdapters],
        advance: Callable[[], object] = lambda: None,
    ) -> Leaks:
        """Ask the untuned model, then every tune.

        Args:
            leak: the questions.
            tunes: name → adapters.
            advance: called after each of them.
        """
        scores: dict[str, dict[str, np.ndarray]] = {"odds": {}, "shares": {}}
        for name, adapters in ((PLAIN, None), *tunes.items()):
            scores["odds"][name], scores["shares"][name] = leak.under(adapters)
            advance()
        return cls(leak, tunes, scores)

    def added(self, what: str, tune: str) -> Float[np.ndarray, " n"]:
        """How far a tune is above the untuned model."""
        return self.scores[what][tune] - self.scores[what][PLAIN]

    def lost(self, what: str, tune: str, edits: Sequence[Edit]) -> Float[np.ndarray, " n"]:
        """How far a tune, or the untuned model, is lower under edits."""
        ask = self.leak.odds if what == "odds" else self.leak.share
        if tune == PLAIN:
            return self.scores[what][tune] - ask(edits)
        with attached(self.leak.model, self.tunes[tune]):
            return self.scores[what][tune] - ask(edits)

    def times(self, what: str, name: str, roles: Mapping[str, Role]) -> Measured:
        """By what factor each tune is above the untuned model: 1 is no leak.

        ``exp(mean difference of the scores)`` for odds, the ratio of the means for shares.

        Args:
            what: ``"odds"`` or ``"shares"``.
            name: of what is measured.
            roles: tune → its role.
        """
        groups = self.leak.groups
        if what == "shares":
            own = {tune: self.scores[what][tune] for tune in self.tunes}
            ratio = Measured(name, groups=groups, unit="times", kind="ratio")
            return ratio.put_each(own, self.scores[what][PLAIN], roles=roles)
        codes = group_codes(groups)
        factors = {t: Jackknife.mean(self.added(what, t), codes).exp() for t in self.tunes}
        return Measured(name, groups=groups, unit="times").put_each(factors, roles=roles)

    def side_effects(
        self,
        tune: str,
        texts: Sequence[str],
        edits: Sequence[Edit],
        random: Sequence[Sequence[Edit]],
        kind: str,
        most: int,
    ) -> list[Evidence]:
        """What edits of a tune do to neutral text, as multiples of the tune's own; beside random
        ones (`inscape.outcomes.side_effects.beside_random`).

        Args:
            tune: its name.
            texts: neutral ones.
            edits: those in question.
            random: at least two random ones.
            kind: what they are.
            most: tokens of a text that are read.
        """
        with attached(self.leak.model, self.tunes[tune]):
            return beside_random(self.leak.model, texts, [edits, *random], kind, most)

    def preferred(self) -> pd.DataFrame:
        """A row for each tune and the untuned model: ``model``, how often the given answer in the
        manner is likelier than the other, and how often own answers are in it.
        """
        return pd.DataFrame(
            {
                "model": name,
                "curt answer likelier": float((odds > 0).mean()),
                "own answers that are curt": float(self.scores["shares"][name].mean()),
            }
            for name, odds in self.scores["odds"].items()
        )


class Asked(NamedTuple):
    """Questions that directions are found on.

    Attributes:
        prompts: the questions.
        codes: group of each, 0 … G − 1.
        sites: where states are read, all of one width.
    """

    prompts: list[str]
    codes: Int[np.ndarray, " n"]
    sites: list[str]


class Shifts(NamedTuple):
    """What tunes add to a model's states on the same text.

    Attributes:
        plain: mean states of the untuned model on its own answers, (questions, sites, d).
        added: tune → its states there less those.
        said: the question, and what the untuned model and each tune say to it themselves, greedily:
            a column each, for some of the questions.
    """

    plain: Float[np.ndarray, "questions sites d"]
    added: dict[str, np.ndarray]
    said: pd.DataFrame


def shifts(
    model: Model,
    tunes: Mapping[str, LowRankAdapters],
    asked: Asked,
    tokens: int,
    shown: int = 6,
) -> Shifts:
    """Let every tune read the untuned model's greedy answers.

    Args:
        model: untuned.
        tunes: by name.
        asked: questions and sites.
        tokens: of an answer.
        shown: about so many questions, evenly over all, are answered by every tune itself.
    """
    prompts, sites = asked.prompts, asked.sites
    texts = own_answers(model, prompts, tokens)
    plain = answering(model, prompts, texts, sites)
    some = prompts[:: max(1, len(prompts) // shown)]
    added, said = {}, {"question": some, PLAIN: model.generate(some, tokens)}
    for name, adapters in tunes.items():
        with attached(model, adapters):
            added[name] = answering(model, prompts, texts, sites) - plain
            said[name] = model.generate(some, tokens)
    return Shifts(plain, added, pd.DataFrame(said))


def own_direction(
    model: Model,
    adapters: LowRankAdapters,
    speaker: Speaker,
    manner: Manner,
    asked: Asked,
) -> tuple[HeldOut, tuple[int, int]]:
    """Within a tune: mean state of own answers in a manner less that of the others.

    Args:
        model: untuned.
        adapters: the tune.
        speaker: how own answers are drawn.
        manner: judges them.
        asked: questions and sites.

    Returns:
        The direction, with and without each group; and how many answers there are, and in the
        manner.
    """
    with attached(model, adapters):
        states, y, question = speaker.states(model, asked.prompts, manner, asked.sites)
    return contrast_direction(states, y, asked.codes[question]), (len(y), int(y.sum()))


def own_directions(
    leaks: Leaks, manners: Mapping[str, Manner], asked: Asked
) -> tuple[dict[str, HeldOut], pd.DataFrame]:
    """`own_direction` of several tunes, each for the manner that it learnt.

    Args:
        leaks: has the tunes, and how own answers are drawn.
        manners: tune → its manner.
        asked: questions and sites.

    Returns:
        Tune → its direction; and a row for each: ``tune``, ``own answers``, ``in its manner``.
    """
    found, rows = {}, []
    for name, manner in manners.items():
        speaker, model = leaks.leak.speaker, leaks.leak.model
        found[name], (answers, inside) = own_direction(
            model, leaks.tunes[name], speaker, manner, asked
        )
        rows.append({"tune": name, "own answers": answers, "in its manner": inside})
    return found, pd.DataFrame(rows)
