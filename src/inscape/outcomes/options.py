"""Options: how probable a language model holds each of several answers, by the answer's first
token.

    score(text, option) = log p(first token of " option" | text)

Raw scores favour options that are frequent anyway; their mean over texts, which no label goes into,
is what a calibrated reading takes off. Cost: one pass with the unembedding at the last token.

Reference: Brown et al. (2020), arXiv:2005.14165, §2.4 (scoring of options); Zhao et al. (2021),
arXiv:2102.09690 (calibration).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.passes import passes


def option_scores(
    model: Model, examples: Examples, options: Sequence[str]
) -> Float[np.ndarray, "n k"]:
    """Log-probability of each option's first token after each text.

    Args:
        model: a language model with a head.
        examples: texts that end where the answer is due.
        options: the answers; a space goes before each.

    Returns:
        Scores, in nats.

    Raises:
        DataError: two options that begin with the same token.
    """
    first = [_first(model, option) for option in options]
    if len(set(first)) < len(first):
        twice = next(o for o, t in zip(options, first, strict=True) if first.count(t) > 1)
        raise DataError(
            f"option {twice!r} begins with the same token as another; give options that differ at "
            "once."
        )
    out = np.empty((len(examples), len(options)))
    for step in passes(model, examples, logits=True):
        logits = step.activations.logits
        assert logits is not None
        out[step.rows] = logits[:, 0].double().cpu().log_softmax(dim=1)[:, first].numpy()
    return out


def preferred_options(
    scores: Float[np.ndarray, "n k"], y: Int[np.ndarray, " n"], folds: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """The option that each text prefers, raw or calibrated, as is more often right in the other
    folds.

    Args:
        scores: of `option_scores`.
        y: the right option of each text.
        folds: fold of each text, two or more; the mean that calibrates, and the choice, are those
            of the others.

    Raises:
        ValueError: a single fold, or a score that is NaN.

    Example:
        >>> scores = np.array([[0.0, 3.0], [1.0, 2.0], [0.0, 3.0], [1.0, 2.0]])
        >>> preferred_options(scores, np.array([1, 0, 1, 0]), np.array([0, 0, 1, 1])).tolist()
        [1, 0, 1, 0]
    """
    if len(np.unique(folds)) < 2 or np.isnan(scores).any():
        raise ValueError(
            "preferred_options: needs two folds or more, by the others of which each is calibrated, "
            "and scores without NaN"
        )
    out = np.empty(len(y), dtype=np.int64)
    for fold in np.unique(folds):
        train = folds != fold
        raw, even = scores.argmax(axis=1), (scores - scores[train].mean(axis=0)).argmax(axis=1)
        better = even if (even == y)[train].mean() > (raw == y)[train].mean() else raw
        out[~train] = better[~train]
    return out


def _first(model: Model, option: str) -> int:
    for token in model.tokenizer(f" {option}", add_special_tokens=False)["input_ids"]:
        if model.tokenizer.decode([token]).strip():
            return int(token)
    raise DataError(f"option {option!r} has no token that shows a letter of it; give another.")


@dataclass(frozen=True)
class ChatQuestion:
    """Which of several options fits a text, asked in a chat behind a system prompt.

    Attributes:
        chat: the template, with ``{system}``, ``{text}`` and ``{ask}``; other braces mean
            themselves.
        ask: the question behind the text, with ``{options}``.
        reply: how the answer begins.

    Example:
        >>> q = ChatQuestion("{system} {text}{ask}>", " Is it {options}?", " It is")
        >>> q.template("Be brief.", ("a", "b", "c"))
        'Be brief. {} Is it a, b or c?> It is'
        >>> q.before("Be brief.")
        'Be brief. {}'
    """

    chat: str
    ask: str
    reply: str

    def template(self, system: str, options: Sequence[str]) -> str:
        """Chat and question around a text, with one ``{}``."""
        named = ", ".join(options[:-1]) + " or " + options[-1]
        return self._around(system).replace("{ask}", self.ask.replace("{options}", named)) + (
            self.reply
        )

    def before(self, system: str) -> str:
        """The chat up to the text's end, with one ``{}``: no question has been asked."""
        return self._around(system).split("{ask}")[0]

    def answers(
        self,
        model: Model,
        examples: Examples,
        options: Sequence[str],
        y: Int[np.ndarray, " n"],
        *,
        system: str,
        folds: Int[np.ndarray, " n"],
    ) -> Int[np.ndarray, " n"]:
        """The model's own answers, raw or calibrated as the other folds prefer
        (`preferred_options`).

        Args:
            model: a language model with a head.
            examples: the texts.
            options: the answers.
            y: the right option of each text.
            system: the system prompt.
            folds: fold of each text.
        """
        asked = examples.with_prompt(self.template(system, options))
        return preferred_options(option_scores(model, asked, options), y, folds)

    def _around(self, system: str) -> str:
        return self.chat.replace("{system}", system).replace("{text}", "{}")
