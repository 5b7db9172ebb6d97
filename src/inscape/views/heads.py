"""All heads of a layer at once: small pictures of their attention patterns, each with what it looks
at most.

A row is a query, a column a key. Weights say where a head looks; weighted by the length of the
value that it finds there they say what it takes, since a head that has nothing to do looks at a
first token whose value is next to nothing.

Reference: Kobayashi et al. (2020), Attention is not only a weight, arXiv:2004.10102, for the
weighting.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from inscape.views.page import escaped
from inscape.views.pixels import address, coloured

_BOX = "margin:0;width:min(100%,11em);font-size:13px"
_PICTURE = (
    "width:100%;aspect-ratio:1;image-rendering:pixelated;border:1px solid "
    "rgba(128,128,128,.35);display:block"
)


def heads(
    tokens: Sequence[str],
    weights: Float[np.ndarray, "heads q k"],
    *,
    title: str = "",
    key: str = "",
) -> str:
    """The patterns of a layer's heads as a piece of HTML.

    Args:
        tokens: of the prompt.
        weights: one pattern for each head.
        title: what is shown.
        key: what the colour means.

    Raises:
        ValueError: patterns of another size than there are tokens.
    """
    size = len(tokens)
    if weights.ndim != 3 or weights.shape[1:] != (size, size):
        raise ValueError(
            f"heads: weights must be (heads, {size}, {size}) for {size} tokens, got {weights.shape}"
        )
    boxes = []
    for h, pattern in enumerate(weights):
        query, found = size - 1, int(np.argmax(pattern[-1]))
        said = (
            f"head {h}: from {tokens[query]!r} most at {tokens[found]!r} "
            f"({pattern[query, found]:.2f})"
        )
        boxes.append(
            f'<figure role="listitem" style="{_BOX}"><img src="{address(coloured(pattern))}" '
            f'alt="{escaped(said)}" '
            f'style="{_PICTURE}"><figcaption '
            f'style="overflow-wrap:anywhere">{escaped(said)}</figcaption></figure>'
        )
    head = f"<h2>{escaped(title)}</h2>" if title else ""
    note = f'<p style="font-size:13px;opacity:.8">{escaped(key)}</p>' if key else ""
    grid = "display:grid;grid-template-columns:repeat(auto-fill,minmax(9em,1fr));gap:14px"
    return f'<section>{head}{note}<div role="list" style="{grid}">{"".join(boxes)}</div></section>'
