"""For each token another one of about its frequency: a control for whatever asks about one token.

Tokens are put in order of how often they occur; the other is drawn from those that stand nearest.
What holds of the true next token and as much of a token of the same frequency holds of frequency.

Cost: one count of the texts' tokens, and a sort of the vocabulary.
Reference: Land and Bartolo (2024), arXiv:2405.05417 (how far a token's frequency decides its
embedding).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.unembed import Readout

#: texts of each source that are counted
_COUNTED = 1500


def token_counts(model: Model, sources: Sequence[Examples]) -> Int[np.ndarray, " vocabulary"]:
    """How often each token occurs in the first 1,500 texts of every source."""
    ids = [t.ids for examples in sources for t in model.tokenize(examples.texts()[:_COUNTED])]
    return np.bincount(np.concatenate(ids), minlength=Readout.of(model).entries)


def matched_tokens(
    true: Int[np.ndarray, " n"],
    counts: Int[np.ndarray, " vocabulary"],
    near: int,
    *,
    rng: np.random.Generator,
) -> Int[np.ndarray, " n"]:
    """For each token another one of about its frequency.

    Args:
        true: tokens.
        counts: occurrences of every token of the vocabulary.
        near: the other is drawn from as many tokens, the nearest in the order of frequency.
        rng: the generator.

    Returns:
        Tokens, none of them the true one.

    Raises:
        ValueError: fewer than two tokens that occur, or `near` below 1.

    Example:
        >>> rng, counts = np.random.default_rng(0), np.array([900, 10, 9, 0])
        >>> matched_tokens(np.array([1, 2]), counts, 1, rng=rng).tolist()
        [2, 1]
    """
    seen = np.flatnonzero(counts)
    order = seen[np.argsort(-counts[seen], kind="stable")]
    if len(order) < 2 or near < 1:
        raise ValueError(
            f"matched_tokens: needs two tokens that occur and near of at least 1, got {len(order)} "
            f"and {near}"
        )
    place = np.full(len(counts), len(order) - 1)
    place[order] = np.arange(len(order))
    width = min(near, len(order) - 1)
    start = np.clip(place[true] - width // 2, 0, len(order) - 1 - width)
    drawn = start + rng.integers(0, width, len(true))
    drawn += drawn >= place[true]  # the true one's own place is left out
    return order[drawn]
