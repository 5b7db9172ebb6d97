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

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.outcomes.questions import Answered

RANDOM, MAJORITY = "random sample", "majority"
PREFERRED, LIKELIEST, BEST = "preferred by the probe", "likeliest sample", "best sample"


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
