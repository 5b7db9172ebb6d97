"""Static word vectors of a language model: the input embedding of every word that is one token.

The rows of the embedding matrix are what the network knows of a word before it reads any context.
Words are tokens of letters alone that begin a word, written without the mark of the tokenizer
("Ġhouse", "▁house", "house" beside "##s").

Cost: one look at the vocabulary.
"""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Float64

from inscape.core.errors import ModelError
from inscape.model.model import Model

_WORD = re.compile(r"[a-z]+")


def word_vectors(model: Model, least: int = 3) -> tuple[list[str], Float64[np.ndarray, "words d"]]:
    """Lower-case words of one token, in the order of the vocabulary, with their input embeddings.

    Args:
        model: a text model.
        least: fewest letters.

    Returns:
        Words and their rows.

    Raises:
        ModelError: no tokenizer.
    """
    if model.tokenizer is None:
        raise ModelError(f"{model.name} has no tokenizer, and so no words")
    vocabulary = sorted(model.tokenizer.get_vocab().items(), key=lambda pair: pair[1])
    marks = [mark for mark in ("Ġ", "▁") if any(t.startswith(mark) for t, _ in vocabulary)]
    mark = marks[0] if marks else ""
    found = {
        token.removeprefix(mark): at
        for token, at in vocabulary
        if token.startswith(mark)
        and _WORD.fullmatch(token[len(mark) :])
        and len(token) - len(mark) >= least
    }
    rows = model.net.get_input_embeddings().weight.detach().double().cpu().numpy()
    return list(found), rows[list(found.values())]


def shared_word_vectors(
    first: Model, second: Model, most: int, least: int = 3
) -> tuple[list[str], Float64[np.ndarray, "words d"], Float64[np.ndarray, "words e"]]:
    """Words that are one token in both models, in the order of the first one's vocabulary.

    Args:
        first: a text model.
        second: another.
        most: the first so many of them.
        least: fewest letters.

    Returns:
        Words, and their input embeddings in either model.

    Raises:
        ModelError: no tokenizer.
    """
    (own, x), (other, y) = (word_vectors(model, least) for model in (first, second))
    place = {word: i for i, word in enumerate(other)}
    rows = [i for i, word in enumerate(own) if word in place][:most]
    words = [own[i] for i in rows]
    return words, x[rows], y[[place[word] for word in words]]
