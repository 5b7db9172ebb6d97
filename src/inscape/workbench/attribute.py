"""Direct logit attribution: what each layer, MLP and head adds to the logit of the answer.

    logit(answer) − logit(wrong) = Σ over components c(t) · d,      d = scale · gain ⊙ (W_answer − W_wrong)

with the last norm's scale as it is at the last token, held constant (and, for a LayerNorm, d less
its mean). The sum over the embedding, every attention and every MLP is the logit difference up to
biases and the dtype's rounding. It counts what a component writes itself, not what others make of
it.

Cost: one forward pass.
Reference: Elhage et al. (2021), A mathematical framework for transformer circuits; Wang et al.
(2022), arXiv:2211.00593, §3.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.norms import epsilon, gain
from inscape.model.unembed import Readout
from inscape.read.head_writes import head_writes, writes_apart
from inscape.views.grid import Grid
from inscape.workbench.picture import Picture, in_line, language_model, token_text, word


def attribute(
    model: str | Path | Model,
    prompt: str,
    *,
    answer: str | None = None,
    wrong: str | None = None,
) -> Picture:
    """Share out the logit of an answer over the components that write to the residual stream.

    Args:
        model: a language model or its name.
        prompt: the text; logits are read at its last token.
        answer: the word; default: the top next token.
        wrong: the word it is compared with; default: the second.

    Raises:
        ModelError: the model does not add its parts to one stream, or its last norm is unknown.
    """
    opened = language_model(model)
    depth = len(opened.atlas.blocks)
    family = opened.family
    if family is None or family.residual != "sum" or family.adds != ("attn_out", "mlp_out"):
        raise ModelError(
            f"{opened.name} does not add attention and MLP to one stream, so its logits are no sum "
            "over them."
        )
    parts = [Site(point, i) for i in range(depth) for point in ("attn_out", "mlp_out")]
    first, last = Site("resid_pre", 0), Site("resid_post", depth - 1)
    tokens = opened.tokenize([prompt])
    run = opened.run(tokens, capture=[first, *parts, last], logits=True)
    order = run.logits[0, -1].argsort(descending=True)[:2].tolist()
    right = word(opened, answer) if answer else int(order[0])
    other = word(opened, wrong) if wrong else int(order[1] if order[0] == right else order[0])
    onto = direction(opened, run[last][0, -1].float(), right, other)
    writes = {site: float(run[site][0, -1].float() @ onto) for site in (first, *parts)}
    values = np.array(
        [[writes[Site("attn_out", i)], writes[Site("mlp_out", i)]] for i in range(depth)]
    )
    whole = np.vstack([[[writes[first], np.nan]], values])[::-1]
    rows = [*map(str, range(depth - 1, -1, -1)), "embedding"]
    grids = [
        Grid(
            "Logits added by each layer",
            rows,
            ("attention", "MLP"),
            whole,
            corner="layer",
            key="Blue: for the answer; orange: for the other word. Logits at the last token; the "
            "last row is the embedding.",
        )
    ]
    if writes_apart(opened):
        table = Examples(_frame(prompt), "text")
        found = head_writes(
            opened,
            table,
            depth - 1,
            onto.cpu().numpy()[None],
            lambda t, _: np.arange(len(t)) == len(t) - 1,
        )
        heads = found.heads[0, :, :, 0]
        grids.append(
            Grid(
                "Logits added by each head",
                [str(i) for i in range(depth - 1, -1, -1)],
                [f"head {h}" for h in range(heads.shape[1])],
                heads[::-1],
                corner="layer",
            )
        )
    gap = float(run.logits[0, -1, right] - run.logits[0, -1, other])
    words = in_line(token_text(opened, right)), in_line(token_text(opened, other))
    top = np.unravel_index(np.argmax(values), values.shape)
    said = (
        f"The logit of {words[0]!r} is {gap:.2f} above that of {words[1]!r}; the components add up "
        f"to {sum(writes.values()):.2f}. The most is added by the "
        f"{('attention', 'MLP')[int(top[1])]} of layer {int(top[0])} ({values[top]:.2f})."
    )
    return Picture(prompt, f"{opened.name}, direct logit attribution.", said, tuple(grids))


def direction(model: Model, h: Float[Tensor, " d"], right: int, other: int) -> Float[Tensor, " d"]:
    """The direction of the residual stream that the logit difference is read along, the last norm's
    scale held at a state.

    Args:
        model: its last norm and unembedding are taken.
        h: the state that enters the last norm.
        right, other: entries of the vocabulary.
    """
    readout, norm = Readout.of(model), model.atlas.final_norm
    with torch.no_grad():
        onto = (readout.weight[right] - readout.weight[other]).float()
        if norm is None:
            return onto
        centred = isinstance(norm, nn.LayerNorm)
        x = h - h.mean() if centred else h
        onto = onto * gain(norm).float() * torch.rsqrt(x.pow(2).mean() + epsilon(norm))
        return onto - onto.mean() if centred else onto


def _frame(prompt: str) -> pd.DataFrame:
    return pd.DataFrame({"text": [prompt]})
