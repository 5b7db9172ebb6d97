"""What a map between two questions' logits says of the links between their answers, and whether
what is taught follows it.

    right_i    the row of an answer has the answer that it implies among its first columns
    rise_i     log p after − before, of the implied answer, when person i is taught the first one
    follow_i   Pearson's r of the change of all the second question's logits with the row of the map

    carried    mean rise where the map is right − 2 × mean rise elsewhere

Cost: one ridge fit a shuffle; a few gradient steps, and two passes over the people taught.
Reference: Peng et al. (2025), arXiv:2502.04520, §4 (rows of the map) and §5 (generalisation and
hallucination).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int

from inscape.control.teach_answers import teach_answers
from inscape.core.evidence import Beside, Evidence
from inscape.core.measured import Measured
from inscape.core.ridge import ALPHAS
from inscape.model.model import Model
from inscape.outcomes.linked_questions import SHUFFLED, Polled, Question, change, row_peaks
from inscape.read.logit_map import LogitMap, column_pearson, fit_logit_map

MIXED = "right and wrong shuffled"


class LinkedRows(NamedTuple):
    """Rows of a map, and what they peak at.

    Attributes:
        fitted: the map from the first question's answers to the second's.
        right: whether it has each link right, (m,).
        precise: the share that is; null: subjects shuffled.
        mixed: that share with subjects shuffled, beside columns drawn at random.
        peaks: what each linked row peaks at, as `row_peaks` gives it.
    """

    fitted: LogitMap
    right: Bool[np.ndarray, " m"]
    precise: Evidence
    mixed: Evidence
    peaks: pd.DataFrame


def linked_rows(
    polled: Polled,
    source: str,
    target: str,
    train: Bool[np.ndarray, " n"],
    *,
    hits: int,
    shuffles: int,
    rng: np.random.Generator,
) -> LinkedRows:
    """Does the row of an answer peak at what it implies?

    Args:
        polled: everyone's logits.
        source: a question with links to the other one.
        target: the other one.
        train: people that maps are fitted on.
        hits: an implied answer counts among so many columns.
        shuffles: of the people.
        rng: of the shuffles.
    """
    one, two = polled.questions[source], polled.questions[target]
    links = one.links[target]
    x, y = polled.logits[source][train], polled.logits[target][train]
    fitted = fit_logit_map(x, y, ALPHAS)
    orders = [rng.permutation(len(x)) for _ in range(shuffles)]
    right = fitted.precise(links, hits)
    m = Measured(f"links among the first {hits}", unit="share")
    m.put("map", right)
    drawn = [fit_logit_map(x[o], y, ALPHAS).precise(links, hits) for o in orders]
    m.put(SHUFFLED, drawn, role="null")
    share = min(1.0, hits / len(two.answers))
    chance = Beside("reference", "columns drawn at random", share)
    plain = unembedding_map(polled.model, one, two).precise(links, hits).mean()
    alone = Beside("baseline", "cosines of the unembedding", float(plain))
    precise = m.value("map", null=SHUFFLED, beside=(alone,))
    mixed = m.value(SHUFFLED, direction="lower", beside=(chance,))
    return LinkedRows(fitted, right, precise, mixed, row_peaks(fitted, one, two, right))


def unembedding_map(model: Model, source: Question, target: Question) -> LogitMap:
    """Cosines of the answers' rows of the unembedding, each question's less their mean, as the
    weight of a map: what needs no subject and no fit.

    Args:
        model: a language model with a head.
        source, target: the questions.
    """
    head = model.atlas.head.weight.detach().double().cpu().numpy()  # type: ignore[union-attr]
    sides = [head[q.tokens] - head[q.tokens].mean(axis=0) for q in (source, target)]
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in sides)
    return LogitMap(a @ b.T, np.zeros(len(b)))


@dataclass(frozen=True, eq=False)
class TaughtLinks:
    """People who were taught an answer to the first question each.

    Attributes:
        source: the first question.
        target: the second one.
        links: the answer taught and the one that it implies, (n, 2).
        right: whether the map has that link right, (n,).
        learnt: rise of the answer taught, among the first question's, in nats.
        rise: rise of the one implied, among the second question's, in nats.
        follow: r of the change of the second question's logits with the map's row.
        other: the same with the row of another person's answer.
        loss: of the last step of teaching, in nats.
    """

    source: Question
    target: Question
    links: Int[np.ndarray, "n 2"]
    right: Bool[np.ndarray, " n"]
    learnt: Float[np.ndarray, " n"]
    rise: Float[np.ndarray, " n"]
    follow: Float[np.ndarray, " n"]
    other: Float[np.ndarray, " n"]
    loss: float

    def table(self) -> pd.DataFrame:
        """A row for each person."""
        return pd.DataFrame(
            {
                self.source.name: [self.source.answers[i] for i in self.links[:, 0]],
                "map right": self.right,
                "learnt": self.learnt,
                "follows": self.rise,
                "r with its row": self.follow,
                "r with another": self.other,
            }
        )

    def rises(self) -> pd.DataFrame:
        """The rise of each implied answer, ready to be drawn: ``panel``, ``class`` (whether the map
        is right there) and ``value`` in nats.
        """
        kind = np.where(self.right, "map right", "map wrong")
        panel = f"rise of the {self.target.name}"
        return pd.DataFrame({"panel": panel, "class": kind, "value": self.rise})

    def carried(self, *, rng: np.random.Generator, draws: int = 999) -> Evidence:
        """The rise where the map is right less twice that elsewhere, over people; which is which
        shuffled for the null.
        """
        name, right, rise = (
            "rise where the map is right − twice that elsewhere",
            self.right,
            self.rise,
        )
        m = Measured(name, unit="nats", kind="ratio")
        m.put("right", rise * right, right)
        m.put("elsewhere", rise * ~right, ~right, role="baseline")
        drawn = [rng.permutation(right) for _ in range(draws)]
        m.put_draws(MIXED, [rise[d].mean() - 2 * rise[~d].mean() for d in drawn])
        return m.combined(name, lambda a, b: a - 2 * b, "right", "elsewhere", null=MIXED)

    def followed(self) -> list[Evidence]:
        """How the change goes with a person's own row of the map, with another's, and the gain."""
        m = Measured("r of the change with a row of the map", unit="Pearson's r")
        m.put("own row", self.follow)
        m.put("another's row", self.other, role="reference")
        gain = m.gain("own row", over="another's row", where={"condition": "gain"})
        return [*m.evidence(), gain]


def teach_links(
    polled: Polled,
    source: str,
    target: str,
    rows: LinkedRows,
    pupils: Sequence[str],
    *,
    most: int,
    steps: int,
    rate: float,
    rng: np.random.Generator,
    advance: Callable[[], object] = lambda: None,
) -> TaughtLinks:
    """Teach new people an answer each to the first question, and ask for the second's.

    Args:
        polled: the model and the questions.
        source: the question that is taught.
        target: the one that is linked to it.
        rows: from `linked_rows`.
        pupils: names.
        most: people at most, one for each link.
        steps: of teaching.
        rate: its learning rate.
        rng: draws the links.
        advance: called after each step.
    """
    one, two = polled.questions[source], polled.questions[target]
    order = rng.permutation(len(rows.right))[:most][: len(pupils)]
    links, names = one.links[target][order], pupils[: len(order)]
    prompts = [one.template.format(name) for name in names]
    answers = torch.from_numpy(one.tokens[links[:, 0]])
    taught = teach_answers(polled.model, prompts, answers, steps=steps, rate=rate, advance=advance)
    first, second = (change(polled.model, taught.model, q, names) for q in (one, two))
    weight, each = rows.fitted.weight - rows.fitted.weight.mean(axis=0), np.arange(len(order))
    return TaughtLinks(
        one,
        two,
        links,
        rows.right[order],
        first[each, links[:, 0]],
        second[each, links[:, 1]],
        column_pearson(second.T, weight[links[:, 0]].T),
        column_pearson(second.T, weight[np.roll(links[:, 0], 1)].T),
        taught.loss,
    )
