"""Attention patterns of a prompt: who looks at whom.

For one head a grid of queries and keys; for a layer all heads as small pictures, what every head
looks at from the last token, and a grid for each head. Weights are the network's own, after the
softmax; a large weight on the first token is mostly a sink, whose value is next to nothing.
Weighted by the values' lengths,

    a'(q, k) = a(q, k) ‖v_k‖ / Σ_k a(q, k) ‖v_k‖

says what a head takes rather than where it looks.

Cost: one forward pass with explicit attention weights.
Reference: Clark et al. (2019), arXiv:1906.04341; Xiao et al. (2023), arXiv:2309.17453, for the
first token; Kobayashi et al. (2020), arXiv:2004.10102, for the values' lengths (of v, before the
output projection).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from inscape.core.errors import DataError
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.views.grid import Grid
from inscape.views.heads import heads
from inscape.workbench.picture import Picture, in_line, language_model, token_text


def attention(
    model: str | Path | Model,
    prompt: str,
    layer: int,
    head: int | None = None,
    *,
    weighted: bool = False,
) -> Picture:
    """The attention weights of a layer or a head.

    Args:
        model: a language model or its name.
        prompt: the text.
        layer: the block, counted from 0; negative from the end.
        head: the head; None for all.
        weighted: multiply each weight by the length of the value found there; rows still sum to 1.

    Raises:
        DataError: there is no such layer or head.
    """
    opened = language_model(model)
    depth = len(opened.atlas.blocks)
    if not -depth <= layer < depth:
        raise DataError(f"there is no layer {layer}; {opened.name} has layers 0 to {depth - 1}.")
    site = opened.select(Site("pattern", layer % depth))[0]
    tokens = opened.tokenize([prompt])
    values = opened.select(Site("v", layer % depth))[:1] if weighted else []
    run = opened.run(tokens, capture=[site, *values])
    weights = run[site][0].float().cpu().numpy()  # head × query × key
    count = len(weights)
    if weighted:
        weights = _by_length(
            weights, run[values[0]][0].float().cpu().numpy(), _width(opened, count)
        )
    if head is not None and not 0 <= head < count:
        raise DataError(f"there is no head {head}; {opened.name} has heads 0 to {count - 1}.")
    words = [in_line(token_text(opened, t)) for t in tokens[0].ids.tolist()]
    how = ", each weight times the length of its value" if weighted else ""
    grids = []
    if head is None:
        grids.append(
            Grid(
                f"Layer {layer % depth}: attention of each head from {words[-1]!r}",
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
        key = f"Rows attend to columns; each row sums to 1{how}."
        grids.append(Grid(title, words, words, shown, corner="query \\ key", key=key))
    mean = weights[:, -1] if head is None else weights[head : head + 1, -1]
    h, k = np.unravel_index(np.argmax(mean), mean.shape)
    name = int(h) if head is None else head
    said = f"From {words[-1]!r}, head {name} attends most to {words[int(k)]!r} ({mean[h, k]:.2f})."
    facts = f"{opened.name}, attention weights of layer {layer % depth}{how}."
    if head is not None:
        return Picture(prompt, facts, said, tuple(grids))
    small = heads(
        words,
        weights,
        title=f"Layer {layer % depth}, all heads",
        key=f"Rows attend to columns, the first token at the left and on top{how}; the stronger, "
        "the more.",
    )
    return Picture(prompt, facts, said, tuple(grids), (small,))


def _width(model: Model, count: int) -> int:
    """Numbers in one head's value, from the width of z, all heads side by side."""
    return int(model.width(model.select(Site("z", 0))[0])) // count


def _by_length(
    weights: Float[np.ndarray, "h q k"], values: Float[np.ndarray, "k inner"], width: int
) -> Float[np.ndarray, "h q k"]:
    """Weights times the lengths of the values, each row summing to 1; value heads may serve several
    query heads.
    """
    lengths = np.linalg.norm(values.reshape(len(values), -1, width), axis=-1).T  # value head × key
    each = np.repeat(lengths, len(weights) // len(lengths), axis=0)
    scaled = weights * each[:, None, :]
    whole = scaled.sum(axis=-1, keepdims=True)
    return np.divide(scaled, whole, out=np.zeros_like(scaled), where=whole > 0)
