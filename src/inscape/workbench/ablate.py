"""Ablation: how much less likely the answer becomes when a neuron, a head, an attention, an MLP or
a block is taken away.

A component's output is put to its mean over all positions of the prompts (mean ablation) or to
zero, at every position. The effect is the change of the answer's log-probability at the last token,
in nats; below zero, the component helped.

Of neurons, too many to take away one by one, those that a gradient names are measured
(`inscape.workbench.neuron_ablation`).

Cost: one pass from its layer on for each component.
Reference: Wang et al. (2022), arXiv:2211.00593, §2.2, and Zhang and Nanda (2023), arXiv:2309.16042
(what to ablate to).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inscape.control.head_maps import heads_of
from inscape.core.edit import Edit, Replace, Scope
from inscape.core.errors import DataError
from inscape.core.rng import generator
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.skip import begun_at
from inscape.views.grid import Grid
from inscape.workbench.neuron_ablation import NeuronEffects, neuron_effects
from inscape.workbench.picture import Picture, in_line, language_model, token_text, word

KINDS, BASELINES = ("layers", "heads", "neurons"), ("mean", "zero")
KEY = "Nats at the last token; orange: the answer becomes less likely without the component."


def ablate(
    model: str | Path | Model,
    prompts: str | Sequence[str],
    *,
    answer: str | None = None,
    what: str = "layers",
    to: str = "mean",
    count: int = 20,
    progress: Callable[[int, int], None] | None = None,
) -> Picture:
    """Ablate one component after another.

    Args:
        model: a language model or its name.
        prompts: one text or several; the token after each is looked at.
        answer: the word after every prompt; default: for each the model's own likeliest token.
        what: ``"layers"``: each layer's attention, MLP and both; ``"heads"``: every head;
            ``"neurons"``: those of all layers that a first-order estimate ranks highest, and as
            many random ones.
        to: ``"mean"`` or ``"zero"``.
        count: how many neurons.
        progress: called after each component with (done, total).

    Raises:
        ValueError: an unknown option.
        DataError: there is no prompt.
    """
    for name, value, choices in (("what", what, KINDS), ("to", to, BASELINES)):
        if value not in choices:
            raise ValueError(
                f"ablate: {name} must be {', '.join(choices[:-1])} or {choices[-1]}, got {value!r}"
            )
    opened = language_model(model)
    texts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not texts:
        raise DataError("there is no prompt to ablate for; give one or more texts.")
    tokens = opened.tokenize(texts)
    batch = opened.collate(tokens)
    last = torch.tensor([[len(t) - 1] for t in tokens])
    streams = [Site("resid_pre", i) for i in range(len(opened.atlas.blocks))]
    groups = [] if what == "neurons" else list(_components(opened, what))
    sites = list(dict.fromkeys(site for _, _, group in groups for site in group))
    plain = opened.run(batch, [*streams, *sites], logits=True)
    ends = plain.logits[torch.arange(len(texts)), last[:, 0]]
    aim = torch.tensor([word(opened, answer)] * len(texts)) if answer else ends.argmax(-1).cpu()
    before = _log_prob(ends, aim)
    if what == "neurons":
        effects = neuron_effects(
            opened,
            tokens,
            aim,
            to=to,
            count=count,
            rng=generator(0, "ablate", "neurons"),
            progress=progress,
        )
        grid, found = _neurons(effects, to)
        return _picture(opened, texts, aim, before, (grid, found, to, what))
    real = torch.arange(int(last.max()) + 1) <= last
    values = np.full((len(streams), 1 + max(c for _, c, _ in groups)), np.nan)
    for done, (layer, column, group) in enumerate(groups, 1):
        edits: list[Edit] = [
            Replace(Scope(str(site)), _baseline(plain[site], real, to)) for site in group
        ]
        with begun_at(opened, layer, plain[streams[layer]]):
            out = opened.run(batch, edits=edits, logits=True, at=last)
        values[layer, column] = float((_log_prob(out.logits[:, 0], aim) - before).mean())
        if progress is not None:
            progress(done, len(groups))
    grid, found = _layers(values, to, what == "heads")
    return _picture(opened, texts, aim, before, (grid, found, to, what))


def _layers(values: Float[np.ndarray, "l c"], to: str, heads: bool) -> tuple[Grid, str]:
    """Changes by layer and component as a grid, and the largest fall in words."""
    columns = (
        [f"head {h}" for h in range(values.shape[1])] if heads else ["attention", "MLP", "both"]
    )
    grid = Grid(
        f"Change of the answer's log-probability, {to}-ablated",
        [str(i) for i in range(len(values) - 1, -1, -1)],
        columns,
        values[::-1],
        corner="layer",
        key=KEY,
    )
    low = np.unravel_index(np.nanargmin(values), values.shape)
    return (
        grid,
        (
            f"The largest fall is {values[low]:.2f} nats: {columns[int(low[1])]} of layer "
            f"{int(low[0])}."
        ),
    )


def _neurons(found: NeuronEffects, to: str) -> tuple[Grid, str]:
    """Neurons as a grid, and what they do beside random ones in words."""
    names = [f"mlp_act.{a}:{b}" for a, b in zip(found.layers, found.neurons, strict=True)]
    grid = Grid(
        f"Change of the answer's log-probability, {to}-ablated",
        names,
        ["measured", "estimated"],
        np.column_stack([found.measured, found.estimated]),
        corner="neuron",
        key=KEY,
    )
    most = float(np.abs(found.random).max(initial=0.0))
    said = (
        f"Of the {len(names)} neurons that the gradient names, {names[0]} changes the answer most, "
        f"by {found.measured[0]:.2f} nats; of {len(found.random)} random neurons none by more than "
        f"{most:.2f}."
    )
    return grid, said


def _picture(
    model: Model,
    texts: Sequence[str],
    aim: Tensor,
    before: Float[Tensor, " b"],
    found: tuple[Grid, str, str, str],
) -> Picture:
    grid, largest, to, what = found
    said = ", ".join(dict.fromkeys(repr(in_line(token_text(model, int(a)))) for a in aim[:4]))
    many = "" if len(texts) == 1 else f" (mean over {len(texts)} prompts)"
    sentence = f"The answer is {said}, at {float(before.mean()):.2f} nats{many}. {largest}"
    return Picture(texts[0], f"{model.name}, {to} ablation of {what}.", sentence, (grid,))


def _components(model: Model, what: str) -> Iterator[tuple[int, int, tuple[Site, ...]]]:
    """Layer, column and sites of each component."""
    if what == "heads":
        for site in heads_of(model):
            yield int(site.layer or 0), int(site.head or 0), (site,)
        return
    for i in range(len(model.atlas.blocks)):
        attention, mlp = Site("attn_out", i), Site("mlp_out", i)
        for column, group in enumerate(((attention,), (mlp,), (attention, mlp))):
            yield i, column, group


def _baseline(x: Float[Tensor, "b p d"], real: Tensor, to: str) -> Float[Tensor, " d"]:
    """What a component is put to: zero, or its mean over the tokens that are not padding."""
    return torch.zeros_like(x[0, 0]) if to == "zero" else x[real.to(x.device)].mean(dim=0)


def _log_prob(logits: Float[Tensor, "b v"], aim: Tensor) -> Float[Tensor, " b"]:
    return torch.log_softmax(logits.float().cpu(), -1).gather(1, aim[:, None])[:, 0]
