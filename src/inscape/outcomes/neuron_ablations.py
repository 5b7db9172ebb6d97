"""Mean-ablation of neurons: their means, as many random ones of the same layers, and the entropy of
the next token.

Means are taken over tokens of texts that are not measured. Cost: one pass over the texts a set of
neurons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from inscape.core.edit import Edit, Replace, Scope
from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.passes import passes

#: means of a layer's neurons, by layer
Means = dict[int, np.ndarray]


def neuron_means(model: Model, texts: Examples, batch: int = 8) -> Means:
    """Mean activation of every neuron over all tokens of texts but the first of each, float64.

    Raises:
        DataError: no text has a second token.
    """
    total: dict[int, np.ndarray] = {}
    count, tokens = 0, [t for t in model.tokenize(texts.texts()) if len(t) > 1]
    if not tokens:
        raise DataError("no text has a second token, so neurons have no mean; give longer texts.")
    for start in range(0, len(tokens), batch):
        part = model.collate(tokens[start : start + batch])
        found = model.run(part, "mlp_act.*")
        assert part.lengths is not None
        real = (torch.arange(part.inputs["input_ids"].shape[1]) < part.lengths[:, None]).to(
            model.device
        )
        real[:, 0] = False
        count += int(real.sum())
        for site, x in found.items():
            layer = int(site.layer or 0)
            total[layer] = total.get(layer, 0.0) + x[real].double().sum(0).cpu().numpy()
    return {layer: x / count for layer, x in total.items()}


def held_at(means: Means, neurons: pd.DataFrame) -> list[Edit]:
    """Edits that mean-ablate neurons (columns ``layer``, ``neuron``) at every position."""
    edits: list[Edit] = []
    for layer, part in neurons.groupby("layer"):
        columns = tuple(sorted({int(c) for c in part["neuron"]}))
        mean = torch.from_numpy(means[int(layer)][list(columns)])
        edits.append(Replace(Scope(f"mlp_act.{layer}"), mean, columns))
    return edits


def layer_matched(
    neurons: pd.DataFrame,
    width: Sequence[int],
    *,
    rng: np.random.Generator,
    avoid: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """As many other neurons in each layer, none twice.

    Args:
        neurons: columns ``layer`` and ``neuron``.
        width: neurons of each layer.
        rng: draws them.
        avoid: further neurons not to draw.

    Raises:
        ValueError: a layer has too few others.
    """
    rows = []
    taken = neurons if avoid is None else pd.concat([neurons, avoid])
    for layer, part in neurons.groupby("layer"):
        others = np.setdiff1d(
            np.arange(width[int(layer)]), taken.loc[taken["layer"] == layer, "neuron"]
        )
        if len(others) < len(part):
            raise ValueError(
                f"layer_matched: layer {layer} has {len(others)} other neurons, {len(part)} are "
                "needed"
            )
        drawn = rng.choice(others, len(part), replace=False)
        rows.append(pd.DataFrame({"layer": int(layer), "neuron": drawn}))
    return pd.concat(rows, ignore_index=True)


def extreme_neurons(
    layers: Sequence[Float[np.ndarray, " m"]], count: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The neurons with the largest values in a network, and those with the smallest.

    Args:
        layers: a value for each neuron of every layer, from the first.
        count: neurons of each kind.

    Returns:
        Twice ``layer``, ``neuron``, ``value``, in falling order of the value.

    Raises:
        ValueError: no neuron of each kind, more than there are, or a value that is NaN.
    """
    total = sum(map(len, layers))
    if not 1 <= count <= total:
        raise ValueError(f"extreme_neurons: count must be between 1 and {total}, got {count}")
    if any(np.isnan(x).any() for x in layers):
        raise ValueError("extreme_neurons: a neuron's value is NaN, which has no place")
    parts = [
        pd.DataFrame({"layer": k, "neuron": np.arange(len(x)), "value": x})
        for k, x in enumerate(layers)
    ]
    every = pd.concat(parts, ignore_index=True).sort_values("value", ascending=False)
    return every.head(count), every.tail(count)


def matched_edits(
    means: Means, neurons: pd.DataFrame, draws: int, *, rng: Callable[[str], np.random.Generator]
) -> list[list[Edit]]:
    """Edits that mean-ablate random sets of as many other neurons of the same layers.

    Args:
        means: of every layer's neurons.
        neurons: columns ``layer`` and ``neuron``: the set that is matched.
        draws: random sets.
        rng: named random streams: the draw's number.

    Raises:
        ValueError: a layer has too few others.
    """
    width = [len(means[layer]) for layer in sorted(means)]
    sets = [layer_matched(neurons, width, rng=rng(str(k))) for k in range(draws)]
    return [held_at(means, drawn) for drawn in sets]


def next_token_entropy(
    model: Model, texts: Examples, edits: Sequence[Edit] = ()
) -> Float[np.ndarray, " n"]:
    """Entropy (nats) of what follows each text."""
    out = np.empty(len(texts))
    for step in passes(model, texts, logits=True, edits=edits):
        assert step.activations.logits is not None
        logs = step.activations.logits[:, 0].double().log_softmax(-1).cpu()
        out[step.rows] = -(logs.exp() * logs).sum(-1).numpy()
    return out
