"""Texts that a model makes up itself: the distribution it was trained towards, seen through its own
samples.

Each begins with the first tokens of a text that is given, and goes on by sampling at temperature 1.
What is measured on texts of one source may be that source's; what holds on the model's own too is
not.

Cost: one generation of all texts.
Reference: Holtzman et al. (2020), arXiv:1904.09751 (how sampled text differs from human text).
"""

from __future__ import annotations

import pandas as pd

from inscape.data.examples import Examples
from inscape.model.model import Model


def own_texts(
    model: Model, texts: list[str], count: int, length: int, *, seed: int, start: int = 8
) -> Examples:
    """As many texts as can be begun with the first tokens of the last texts, each beginning once.

    Args:
        model: generates.
        texts: whose beginnings are taken; shorter ones than `start` tokens are left out.
        count: texts at most.
        length: tokens generated.
        seed: of the sampling.
        start: tokens of a beginning.

    Returns:
        Columns ``text`` and ``start``, each beginning a group.
    """
    tokens = model.tokenize(texts[-4 * count :])
    starts = [
        model.tokenizer.decode(t.ids[:start], skip_special_tokens=True)
        for t in tokens
        if len(t) > start
    ]
    starts = [s for s in dict.fromkeys(starts) if s.strip()][:count]
    said = model.generate(starts, length, temperature=1.0, seed=seed)
    made = {"text": [a + b for a, b in zip(starts, said, strict=True)], "start": starts}
    return Examples(pd.DataFrame(made), "text", (), "start")
