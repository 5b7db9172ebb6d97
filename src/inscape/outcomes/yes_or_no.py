"""Asked whether something is so, does a model lean to yes or to no?

    log Σ p(yes words) − log Σ p(no words)      at the end of each text, in nats

Cost: one pass over the texts.
Reference: Kadavath et al. (2022), arXiv:2207.05221, §3 (a model asked whether its answer is true).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.passes import passes

YES, NO = (" Yes", " yes"), (" No", " no")


def yes_odds(
    model: Model, texts: Examples, yes: Sequence[str] = YES, no: Sequence[str] = NO
) -> Float[np.ndarray, " n"]:
    """Log-odds of yes against no as the next token of each text, in nats.

    Args:
        model: a language model.
        texts: each ends where the answer is due.
        yes: words for yes; the first token of each counts.
        no: words for no.
    """
    ids = [
        [model.tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in words]
        for words in (yes, no)
    ]
    out = np.empty(len(texts))
    for step in passes(model, texts, logits=True):
        assert step.activations.logits is not None
        last = step.activations.logits[:, 0].double()
        odds = last[:, ids[0]].logsumexp(dim=1) - last[:, ids[1]].logsumexp(dim=1)
        out[step.rows] = odds.cpu().numpy()
    return out


def verdict_odds(model: Model, answered: Examples, ask: str) -> Float[np.ndarray, " n"]:
    """Log-odds that the model, asked about its own answers, says yes.

    Args:
        model: a language model.
        answered: questions with their answers; spaces at their ends are dropped.
        ask: a template with one ``{}`` for question and answer, which asks for yes or no.
    """
    plain = answered.with_texts([text.rstrip() for text in answered.texts()])
    return yes_odds(model, plain.with_prompt(ask))
