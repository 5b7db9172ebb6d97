"""The words that layers predict before each token of an answer: the logit lens, its tokens sorted
into classes.

Cost: one pass of each text.
Reference: Wendler et al. (2024), Do llamas work in English?, arXiv:2402.10588, §3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int

from inscape.data.positions import span_mask
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.logit_lens import logit_lens


def lens_words(
    model: Model,
    text: str,
    span: tuple[int, int],
    places: int,
    classify: Callable[[str], int],
) -> Int[np.ndarray, "layers places"]:
    """The class of the likeliest token after each block, before tokens of a span.

    Args:
        model: a language model.
        text: what it reads.
        span: characters of the answer.
        places: tokens of it at most, evenly spread.
        classify: a token's text → its class.
    """
    (tokens,), sites = model.tokenize([text]), model.select("resid_post.*")
    inside = np.flatnonzero(span_mask(tokens, span))
    spread = np.unique(np.linspace(0, len(inside) - 1, places).astype(int))
    at = torch.from_numpy(inside[spread][None] - 1)
    states = model.run(model.collate([tokens]), sites, at=at)
    x = torch.stack([states[s][0] for s in sites])
    words = logit_lens(Readout.of(model), x, k=1).tokens[..., 0]
    return np.array([[classify(model.tokenizer.decode([int(t)])) for t in row] for row in words])


class Passage(NamedTuple):
    """A text with an answer in it.

    Attributes:
        text: what the model reads.
        span: characters of the answer.
        classify: a token's text → its class.
        group: whose passage it is, such as the kind of what is translated.
    """

    text: str
    span: tuple[int, int]
    classify: Callable[[str], int]
    group: str


def lens_classes(
    model: Model,
    passages: Sequence[Passage],
    places: int,
    advance: Callable[[], object] = lambda: None,
) -> tuple[Int[np.ndarray, "layers tokens"], list[str]]:
    """`lens_words` of many passages, side by side.

    Args:
        model: a language model.
        passages: at least one.
        places: tokens of an answer at most.
        advance: called after each passage.

    Returns:
        The class of the likeliest token after each block, for all tokens looked at; and the group
        of each of these.
    """
    codes, groups = [], []
    for p in passages:
        codes.append(lens_words(model, p.text, p.span, places, p.classify))
        groups += [p.group] * codes[-1].shape[1]
        advance()
    return np.concatenate(codes, axis=1), groups
