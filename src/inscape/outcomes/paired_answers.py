"""Which of two answers a model would rather give, question by question; and what its own answers
look like inside.

    score = log p(one | question) / tokens of one − log p(other | question) / tokens of other        nats a token

The score is that of the model as it stands: inside a block that attaches adapters or sets edits, of
the model so changed.

Cost: two short passes a question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from inscape.core.batch import Tokens
from inscape.core.edit import Edit
from inscape.model.continuations import Continuation, continuations
from inscape.model.model import Model
from inscape.outcomes.token_losses import token_losses


@dataclass(frozen=True, eq=False)
class PairedAnswers:
    """Questions, each with pairs of answers.

    Attributes:
        model: asked.
        texts: question and answer, the two of a pair beside each other.
        after: where each answer begins, in tokens.
        each: pairs a question.
    """

    model: Model
    texts: list[Tokens]
    after: list[int]
    each: int

    @classmethod
    def of(
        cls,
        model: Model,
        prompts: Sequence[str],
        ones: Sequence[str],
        others: Sequence[str],
        each: int = 1,
    ) -> PairedAnswers:
        """Questions with pairs of answers in turn.

        Args:
            model: asked.
            prompts: questions.
            ones: answers, without the space before them.
            others: their counterparts.
            each: pairs a question.

        Raises:
            ValueError: no question, or answers that are not in pairs.
        """
        if not len(prompts) or not ones or len(ones) != len(others):
            raise ValueError(
                f"PairedAnswers: needs questions and answers in pairs, got {len(prompts)}, "
                f"{len(ones)} and {len(others)}"
            )
        whole, starts = [], []
        for i, prompt in enumerate(prompts):
            for j in range(each):
                pair = (i * each + j) % len(ones)
                whole += [f"{prompt} {ones[pair]}", f"{prompt} {others[pair]}"]
                starts += [len(prompt)] * 2
        tokens = model.tokenize(whole)
        return cls(
            model, tokens, [_begins(t, s) for t, s in zip(tokens, starts, strict=True)], each
        )

    def scores(self, edits: Sequence[Edit] = ()) -> Float[np.ndarray, " questions"]:
        """Mean score of each question's pairs."""
        losses = token_losses(self.model, self.texts, after=self.after, edits=edits)
        one, other = (-losses.nats / losses.tokens).reshape(-1, 2).T
        return (one - other).reshape(-1, self.each).mean(axis=1)


def own_answers(model: Model, prompts: Sequence[str], tokens: int) -> list[Tokens]:
    """Prompts, each with what the model answers greedily.

    Args:
        model: as it stands.
        prompts: questions.
        tokens: of an answer, at most.
    """
    said = [several[0] for several in continuations(model, prompts, tokens)]
    return [
        joined(one, more) for one, more in zip(model.tokenize(list(prompts)), said, strict=True)
    ]


def answering(
    model: Model, prompts: Sequence[str], answered: Sequence[Tokens], sites: Sequence[str]
) -> Float[np.ndarray, "questions sites d"]:
    """Mean activations over the tokens that predict an answer's tokens.

    Args:
        model: as it stands, which need not be the one that answered.
        prompts: questions.
        answered: the same with their answers.
        sites: all of one width.
    """
    starts = [len(t) for t in model.tokenize(list(prompts))]
    return span_means(
        model,
        answered,
        sites,
        [range(s - 1, max(s, len(t) - 1)) for t, s in zip(answered, starts, strict=True)],
    )


def all_tokens(
    model: Model, texts: Sequence[Tokens], sites: Sequence[str]
) -> Float[np.ndarray, "texts sites d"]:
    """Mean activations over all tokens but each text's first, which is an attention sink unlike the
    others.
    """
    return span_means(model, texts, sites, [range(1, len(t)) for t in texts])


def span_means(
    model: Model, texts: Sequence[Tokens], sites: Sequence[str], spans: Sequence[range]
) -> Float[np.ndarray, "texts sites d"]:
    """Mean activations over a range of tokens of each text.

    Args:
        model: as it stands.
        texts: tokenised.
        sites: all of one width.
        spans: the tokens of each text, none of them empty.
    """
    batch = model.collate(list(texts))
    found = model.run(batch, list(sites))
    weights = torch.zeros(batch.inputs["input_ids"].shape, dtype=torch.float64)
    for row, span in enumerate(spans):
        weights[row, span.start : span.stop] = 1.0 / len(span)
    means = [torch.einsum("bt,btd->bd", weights, x.cpu().double()) for x in found.values()]
    return torch.stack(means, dim=1).numpy()


def joined(prompt: Tokens, said: Continuation) -> Tokens:
    """A prompt and what was said after it, as one text."""
    return Tokens.of(np.concatenate([prompt.ids, said.ids]), prompt.text + said.text)


def _begins(tokens: Tokens, characters: int) -> int:
    """The first token that ends after so many characters: the answer's first, or one past the
    end.
    """
    later = np.flatnonzero(tokens.offsets[:, 1] > characters)
    return int(later[0]) if len(later) else len(tokens)
