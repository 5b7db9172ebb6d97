"""Sums over the tokens of whole texts, of which no store is kept: open gates of neurons, and mean
states.

    gates     at how many tokens of a text a neuron's gate is open (its pre-activation positive)
    means     the mean state of a text, its tokens weighted by position

Cost: one forward pass over the texts for each call.
Reference: Tang et al. (2024), arXiv:2402.16438, for open gates; Kargaran et al. (2025), MEXA,
arXiv:2410.05873, for means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.model.batching import batches_by_length
from inscape.model.model import Model
from inscape.read.mexa import weighted_mean


class Gates(NamedTuple):
    """Open gates.

    Attributes:
        counts: at how many tokens of each text each neuron's gate is open, neurons layer after
            layer, (texts, neurons).
        tokens: of each text.
        layers: the layer of each neuron.
    """

    counts: Float[np.ndarray, "texts neurons"]
    tokens: Int[np.ndarray, " texts"]
    layers: Int[np.ndarray, " neurons"]


def _quiet(count: int) -> None:
    return None


def open_gates(
    model: Model, texts: Sequence[str], advance: Callable[[int], object] = _quiet
) -> Gates:
    """Count the tokens at which each neuron's gate is open.

    Args:
        model: a language model with gated MLPs.
        texts: what it reads.
        advance: called after each batch with the number of its texts.
    """
    rows, parts = [], []
    lengths = np.array([len(t) for t in model.tokenize(texts)])
    for few, found in _batches(model, texts, "mlp_pre.*", advance):
        real = torch.arange(int(lengths[few].max()))[None] < torch.from_numpy(lengths[few])[:, None]
        opened = [((x > 0) & real[..., None].to(x.device)).sum(dim=1) for x in found.values()]
        parts.append(torch.cat(opened, dim=1).cpu().numpy().astype(np.float32))
        rows.append(few)
    sites = model.select("mlp_pre.*")
    counts = np.concatenate(parts)[np.argsort(np.concatenate(rows))]
    layers = np.repeat([s.layer for s in sites], counts.shape[1] // len(sites))
    return Gates(counts, lengths, layers)


def text_means(
    model: Model, texts: Sequence[str], advance: Callable[[int], object] = _quiet
) -> Float[np.ndarray, "layers texts d"]:
    """The position-weighted mean of every text's states after each block.

    Args:
        model: a language model.
        texts: what it reads, of two tokens or more.
        advance: called after each batch with the number of its texts.
    """
    rows, parts = [], []
    lengths = np.array([len(t) for t in model.tokenize(texts)])
    for few, found in _batches(model, texts, "resid_post.*", advance):
        means = [weighted_mean(h, lengths[few]).double().cpu().numpy() for h in found.values()]
        parts.append(np.stack(means))
        rows.append(few)
    return np.concatenate(parts, axis=1)[:, np.argsort(np.concatenate(rows))]


def _batches(
    model: Model, texts: Sequence[str], sites: str, advance: Callable[[int], object]
) -> Iterator[tuple[np.ndarray, dict[str, Tensor]]]:
    tokens = model.tokenize(texts)
    for few in batches_by_length(np.array([len(t) for t in tokens]), 1024):
        found = model.run(model.collate([tokens[i] for i in few]), sites)
        yield few, {str(site): x for site, x in found.items()}
        advance(len(few))
