"""Coordinates: every token of every example, along a few directions at each site, with no vectors
kept.

Where an edit sets a direction's coordinate, it must know what the coordinate is elsewhere: its mean
over tokens, or a partner's at the same position. Projecting in the pass keeps k numbers a token and
site instead of d.

Cost: one forward pass; tokens · sites · k numbers in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float

from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.model.batching import batches_alike
from inscape.model.model import Model


def coordinates(
    model: Model,
    examples: Examples,
    sites: Sequence[Site | str],
    directions: Float[np.ndarray, "sites k d"],
    *,
    budget: int = 1024,
) -> list[Float[np.ndarray, "_ sites k"]]:
    """Run a text model over examples and keep each token's coordinates.

    Args:
        model: the model.
        examples: what is fed in.
        sites: where.
        directions: k directions for each site, used as they are (give unit ones).
        budget: padded tokens a batch.

    Returns:
        For each example (tokens, sites, k) float32, every token the model sees, special ones
        included.

    Raises:
        ValueError: there are not directions for each site.
    """
    if directions.ndim != 3 or len(directions) != len(sites):
        raise ValueError(
            f"coordinates: directions must be (sites, k, d) with {len(sites)} sites, got shape "
            f"{directions.shape}"
        )
    onto = torch.from_numpy(np.asarray(directions, dtype=np.float32)).to(model.device)
    out: list[np.ndarray] = [np.empty(0, dtype=np.float32)] * len(examples)
    for rows, lengths, found in _batches(model, examples, sites, budget):
        along = torch.stack([x @ onto[s].T for s, x in enumerate(found)], dim=2).cpu().numpy()
        for i, length, row in zip(rows, lengths, along, strict=True):
            out[int(i)] = row[:length]
    return out


def token_means(
    model: Model,
    examples: Examples,
    sites: Sequence[Site | str],
    directions: Float[np.ndarray, "k sites d"],
) -> Float[np.ndarray, "sites k"]:
    """Mean coordinate of the tokens of examples, all but each one's first, which is an attention
    sink unlike the others.

    Args:
        model: the model.
        examples: what is fed in; one at least must have two tokens.
        sites: where.
        directions: k directions for each site.
    """
    found = coordinates(model, examples, sites, np.moveaxis(directions, 0, 1))
    return np.concatenate([tokens[1:] for tokens in found]).astype(np.float64).mean(axis=0)


def mean_vectors(
    model: Model, examples: Examples, sites: Sequence[Site | str], *, budget: int = 1024
) -> Float[np.ndarray, "sites n d"]:
    """Each example's mean vector over all of its tokens but the first.

    At layers with massive activations the first token's norm is hundreds of times that of the
    others, so a mean that holds it is a mean of nothing else. An example of one token is read at
    that token.

    Reference: Sun et al. (2024), Massive activations in large language models, arXiv:2402.17762.
    """
    out: np.ndarray | None = None
    for rows, lengths, found in _batches(model, examples, sites, budget):
        if out is None:
            out = np.empty((len(sites), len(examples), found[0].shape[-1]), dtype=np.float32)
        for b, (i, length) in enumerate(zip(rows, lengths, strict=True)):
            for s, x in enumerate(found):
                out[s, int(i)] = x[b, min(1, length - 1) : length].mean(dim=0).cpu().numpy()
    assert out is not None
    return out


def _batches(
    model: Model, examples: Examples, sites: Sequence[Site | str], budget: int
) -> Iterator[tuple[np.ndarray, list[int], list[torch.Tensor]]]:
    """Rows, their numbers of tokens, and (batch, tokens, d) float32 of every site."""
    tokens, names = model.tokenize(examples.texts()), [str(site) for site in sites]
    lengths = np.array([len(t) for t in tokens])
    for rows in batches_alike(lengths, model.switches.kinds(lengths), budget):
        found = model.run(model.collate([tokens[i] for i in rows]), names)
        yield rows, [len(tokens[i]) for i in rows], [found[name].float() for name in names]
