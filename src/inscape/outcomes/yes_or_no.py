"""Asked whether something is so, does a model lean to yes or to no?

    log Σ p(yes words) − log Σ p(no words)      at the end of each text, in nats

Cost: one pass over the texts.
Reference: Kadavath et al. (2022), arXiv:2207.05221, §3 (a model asked whether its answer is true).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from inscape.core.errors import ModelError
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

    Raises:
        ModelError: a word of which the model has no token, or one for yes and one for no that begin
            with the same.
    """
    ids = [[_first(model, word) for word in words] for words in (yes, no)]
    for token in set(ids[0]) & set(ids[1]):
        one, other = yes[ids[0].index(token)], no[ids[1].index(token)]
        raise ModelError(
            f"yes_odds: {one!r} and {other!r} begin with the same token of {model.name} "
            f"({model.tokenizer.convert_ids_to_tokens(token)!r}), so the next token does not tell "
            "yes from no; give words whose first tokens differ"
        )
    out = np.empty(len(texts))
    for step in passes(model, texts, logits=True):
        assert step.activations.logits is not None
        last = step.activations.logits[:, 0].double()
        odds = last[:, ids[0]].logsumexp(dim=1) - last[:, ids[1]].logsumexp(dim=1)
        out[step.rows] = odds.cpu().numpy()
    return out


def _first(model: Model, word: str) -> int:
    """The first token of a word."""
    ids = model.tokenizer(word, add_special_tokens=False)["input_ids"]
    if not ids or ids[0] == getattr(model.tokenizer, "unk_token_id", None):
        raise ModelError(
            f"yes_odds: {model.name} has no token for {word!r}; give other words for yes and no"
        )
    return int(ids[0])


def verdict_odds(
    model: Model,
    answered: Examples,
    ask: str,
    yes: Sequence[str] = YES,
    no: Sequence[str] = NO,
) -> Float[np.ndarray, " n"]:
    """Log-odds that the model, asked about its own answers, says yes.

    Args:
        model: a language model.
        answered: questions with their answers; spaces at their ends are dropped.
        ask: a template with one ``{}`` for question and answer, which asks for yes or no.
        yes: words for yes; see `yes_odds`.
        no: words for no.
    """
    plain = answered.with_texts([text.rstrip() for text in answered.texts()])
    return yes_odds(model, plain.with_prompt(ask), yes, no)
