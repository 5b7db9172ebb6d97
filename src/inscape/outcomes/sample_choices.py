"""Of several answers to one question, which one is taken, and how often is it right?

    random       mean over the samples of a question
    majority     mean over the samples that say the commonest answer
    preferred    the sample with the highest score of a judge
    likeliest    the sample with the highest mean log-probability
    best         1 where any sample is right

Cost: linear in the samples.
Reference: Wang et al. (2023), arXiv:2203.11171 (majority); Orgad et al. (2024), arXiv:2410.02707,
§6 (the answer that a probe prefers).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from inscape.core.evidence import Evidence
from inscape.core.measured import Measured, Role
from inscape.outcomes.questions import Answered

RANDOM, MAJORITY = "random sample", "majority"
PREFERRED, LIKELIEST, BEST = "preferred by the probe", "likeliest sample", "best sample"


#: the answer that the model gives without sampling, beside those that are chosen among samples
GREEDY = "greedy"
#: what each way of answering is to the one that a judge prefers
ROLES: dict[str, Role] = {
    **dict.fromkeys((GREEDY, MAJORITY, LIKELIEST), "baseline"),
    RANDOM: "reference",
    BEST: "ceiling",
}


@dataclass(frozen=True, eq=False)
class Choices:
    """How often each way of answering is right, question by question.

    Attributes:
        right: way of answering → one value for each question, (n,): `sample_choices`, and `GREEDY`.
        kind: what kind of answerer the model is for each question, as
            `inscape.outcomes.questions.kinds` says.
        groups: group of each question.
    """

    right: Mapping[str, Float[np.ndarray, " n"]]
    kind: np.ndarray
    groups: np.ndarray

    @property
    def seldom(self) -> Bool[np.ndarray, " n"]:
        """Questions with a right answer among the samples, and in fewer than half of them."""
        return (self.right[BEST] > 0) & (self.kind != "right")

    def measured(
        self, inside: Bool[np.ndarray, " n"] | None = None, mistake: str = "all"
    ) -> Measured:
        """Accuracy of each way of answering, on some of the questions.

        Args:
            inside: which; all by default.
            mistake: what they are called.
        """
        rows = np.ones(len(self.kind), dtype=bool) if inside is None else inside
        own = {name: p[rows] for name, p in self.right.items()}
        where, groups = {"mistake": mistake}, self.groups[rows]
        m = Measured("accuracy", groups=groups, unit="accuracy", where=where)
        return m.put_each(own, roles=ROLES)

    def by_kind(self) -> list[Evidence]:
        """Accuracy of each way of answering for each kind of mistake."""
        kinds = pd.unique(self.kind)
        return [e for k in kinds for e in self.measured(self.kind == k, str(k)).evidence()]

    def rates(self, inside: Bool[np.ndarray, " n"] | None = None) -> str:
        """The accuracies in words."""
        m = self.measured(inside)
        return ", ".join(f"{name} {m.value(name).value:.2f}" for name in self.right) + "."


def sample_choices(
    samples: Answered, of: Int[np.ndarray, " samples"], score: Float[np.ndarray, " samples"]
) -> dict[str, Float[np.ndarray, " questions"]]:
    """How often each way of choosing is right, question by question.

    Args:
        samples: answers, several a question.
        of: which question each belongs to; questions come out in their order.
        score: a judge's, of each sample.
    """
    frame = pd.DataFrame(
        {
            "of": of,
            "right": samples.right * 1.0,
            "words": [a.text.lower() for a in samples.said],
            "score": score,
            "logprob": samples.logprob()[:, 0],
        }
    )
    rows = []
    for _, part in frame.groupby("of", sort=True):
        right, commonest = part["right"], part["words"] == part["words"].mode().iloc[0]
        rows.append(
            {
                RANDOM: right.mean(),
                MAJORITY: right[commonest].mean(),
                PREFERRED: right[part["score"].idxmax()],
                LIKELIEST: right[part["logprob"].idxmax()],
                BEST: right.max(),
            }
        )
    return {str(name): values.to_numpy() for name, values in pd.DataFrame(rows).items()}
