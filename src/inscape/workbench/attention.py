"""Attention patterns of a prompt: who looks at whom.

For one head a grid of queries and keys; for a layer one such grid for each head, and first, what every head looks at from
the last token. Weights are the network's own, after the softmax; a large weight on the first token is mostly a sink.

Cost: one forward pass with explicit attention weights.
Reference: Clark et al. (2019), arXiv:1906.04341; Xiao et al. (2023), arXiv:2309.17453, for the first token.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inscape.core.errors import DataError
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.views.grid import Grid
from inscape.workbench.picture import Picture, in_line, language_model, token_text


def attention(
    model: str | Path | Model, prompt: str, layer: int, head: int | None = None
) -> Picture:
    """The attention weights of a layer or a head.

    Args:
        model: a language model or its name.
        prompt: the text.
        layer: the block, counted from 0; negative from the end.
        head: the head; None for all.

    Raises:
        DataError: there is no such layer or head.
    """
    opened = language_model(model)
    depth = len(opened.atlas.blocks)
    if not -depth <= layer < depth:
        raise DataError(f"there is no layer {layer}; {opened.name} has layers 0 to {depth - 1}.")
    site = opened.select(Site("pattern", layer % depth))[0]
    tokens = opened.tokenize([prompt])
    weights = (
        opened.run(tokens, capture=[site])[site][0].float().cpu().numpy()
    )  # head × query × key
    count = len(weights)
    if head is not None and not 0 <= head < count:
        raise DataError(f"there is no head {head}; {opened.name} has heads 0 to {count - 1}.")
    words = [in_line(token_text(opened, t)) for t in tokens[0].ids.tolist()]
    grids = []
    if head is None:
        grids.append(
            Grid(
                f"Layer {layer % depth}: what each head looks at from {words[-1]!r}",
                [f"head {h}" for h in range(count)],
                words,
                weights[:, -1],
                corner="head",
            )
        )
    later = np.triu(np.ones(weights.shape[1:], dtype=bool), 1)
    for h in range(count) if head is None else [head]:
        shown = weights[h].copy()
        if not shown[later].any():
            shown[later] = np.nan  # a causal model cannot look ahead
        title = f"Layer {layer % depth}, head {h}"
        key = "Rows look at columns; each row sums to 1."
        grids.append(Grid(title, words, words, shown, corner="query \\ key", key=key))
    mean = weights[:, -1] if head is None else weights[head : head + 1, -1]
    h, k = np.unravel_index(np.argmax(mean), mean.shape)
    name = int(h) if head is None else head
    said = f"From {words[-1]!r}, head {name} looks most at {words[int(k)]!r} ({mean[h, k]:.2f})."
    return Picture(
        prompt, f"{opened.name}, attention weights of layer {layer % depth}.", said, tuple(grids)
    )
