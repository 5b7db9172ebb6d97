"""Contrast: how much rather a language model goes on with one set of words than with another.

    score(text) = mean logit of the positive words' first tokens − mean logit of the negative words', after the text

Words that the texts themselves contain must be left out: a model that copies would score without
understanding. Words whose first token is on both sides, or is nothing but space, say nothing and
are left out too.

Reference: the logit difference of Tigges et al. (2023), arXiv:2310.15154, §2.2, over several words
at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.passes import passes


@dataclass(frozen=True)
class Contrast:
    """Two sets of words as token ids.

    Attributes:
        positive: words → first token, of those kept.
        negative: the same for the other side.
        dropped: words left out.
    """

    positive: dict[str, int]
    negative: dict[str, int]
    dropped: tuple[str, ...] = ()

    def scores(self, model: Model, examples: Examples, **options: Any) -> Float[np.ndarray, " n"]:
        """The score of every example, in their order; options as `inscape.outcomes.passes.passes`
        takes them.
        """
        out = np.empty(len(examples))
        for step in passes(model, examples, logits=True, **options):
            logits = step.activations.logits
            assert logits is not None
            out[step.rows] = self.of_logits(logits[:, 0])
        return out

    def of_logits(self, logits: Float[Tensor, "*n v"]) -> Float[np.ndarray, " *n"]:
        """The score of each row of logits after a text."""
        up, down = list(self.positive.values()), list(self.negative.values())
        wanted = logits[..., up + down].double().cpu().numpy()
        return wanted[..., : len(up)].mean(axis=-1) - wanted[..., len(up) :].mean(axis=-1)


def contrast(
    model: Model, positive: Sequence[str], negative: Sequence[str], unless_in: Iterable[str] = ()
) -> Contrast:
    """Words as the first tokens of their continuations (a space before each).

    Args:
        model: its tokenizer is asked.
        positive, negative: words.
        unless_in: texts; a word that is one of their words is left out.

    Raises:
        DataError: nothing is left on a side.
    """
    said = {word for text in unless_in for word in re.findall(r"\w+", text.lower())}
    sides = [
        {w: _first(model.tokenizer, w) for w in words if w.lower() not in said}
        for words in (positive, negative)
    ]
    both = set(sides[0].values()) & set(sides[1].values())
    kept = [{w: t for w, t in side.items() if t is not None and t not in both} for side in sides]
    if not kept[0] or not kept[1]:
        raise DataError(
            "every word of one side occurs in the texts or has no first token of its own; give "
            "other words to contrast."
        )
    dropped = tuple(w for w in (*positive, *negative) if w not in {**kept[0], **kept[1]})
    return Contrast(kept[0], kept[1], dropped)


def _first(tokenizer: Any, word: str) -> int | None:
    """The first token of a word that shows a letter of it; some tokenizers put a bare space
    first.
    """
    unknown = getattr(tokenizer, "unk_token_id", None)
    for token in tokenizer(f" {word}", add_special_tokens=False)["input_ids"]:
        if tokenizer.decode([token]).strip():
            return None if token == unknown else int(token)
    return None
