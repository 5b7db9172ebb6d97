"""Position sets: named masks of tokens that edits act at, and random sets of the same size to
compare them with.

The first token is left out of all of them: in most causal models it is an attention sink, whose
activations are unlike all others' and which sees nothing but itself. The last token is where the
answer is read; whatever is set there acts directly, so random sets leave it out too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from inscape.core.batch import Tokens
from inscape.core.rng import generator
from inscape.data.positions import punctuation, span_mask

#: from an example's tokens and spans, which of its tokens
Mark = Callable[[Tokens, Mapping[str, tuple[int, int]]], np.ndarray]


def position_sets(words: Sequence[str], draws: int, seed: int) -> dict[str, Mark]:
    """Masks by name.

    Args:
        words: spans that carry what is asked about.
        draws: random sets of each kind.
        seed: of the random sets; a text has the same ones wherever it stands.

    Returns:
        ``all`` (but the first), ``words``, each of them as ``word.NAME``, ``punctuation`` (commas
        and full stops), ``last``, and for each draw k ``random.k`` (as many tokens as there are of
        punctuation, neither punctuation nor last) and ``neutral.k`` (the same, and no token of
        `words`).
    """

    def every(tokens: Tokens, spans: Mapping[str, tuple[int, int]]) -> np.ndarray:
        return np.arange(len(tokens)) > 0

    def spoken(names: Sequence[str]) -> Mark:
        def mark(tokens: Tokens, spans: Mapping[str, tuple[int, int]]) -> np.ndarray:
            masks = [span_mask(tokens, spans[name]) for name in names if name in spans]
            return np.any([np.zeros(len(tokens), dtype=bool), *masks], axis=0) & every(
                tokens, spans
            )

        return mark

    said = spoken(words)

    def stops(tokens: Tokens, spans: Mapping[str, tuple[int, int]]) -> np.ndarray:
        return punctuation(tokens) & every(tokens, spans)

    def last(tokens: Tokens, spans: Mapping[str, tuple[int, int]]) -> np.ndarray:
        return np.arange(len(tokens)) == len(tokens) - 1

    def drawn(kind: str, k: int) -> Mark:
        def mark(tokens: Tokens, spans: Mapping[str, tuple[int, int]]) -> np.ndarray:
            out = ~every(tokens, spans) | stops(tokens, spans) | last(tokens, spans)
            out = out | said(tokens, spans) if kind == "neutral" else out
            free, count = np.flatnonzero(~out), int(stops(tokens, spans).sum())
            chosen = generator(seed, kind, str(k), tokens.text).permutation(free)[:count]
            return np.isin(np.arange(len(tokens)), chosen)

        return mark

    sets: dict[str, Mark] = {"all": every, "words": said, "punctuation": stops, "last": last}
    sets |= {f"word.{name}": spoken([name]) for name in words}
    return sets | {
        f"{kind}.{k}": drawn(kind, k) for kind in ("random", "neutral") for k in range(draws)
    }
