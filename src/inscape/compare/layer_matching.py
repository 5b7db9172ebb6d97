"""Layer matching: is the layer of another network that is most similar to a layer the one at its
depth?

    share of layers s with  argmax over t of similarity(s, t) = s        two networks of one architecture

Networks that differ in their random start alone compute the same at the same depth, so a similarity
that measures what is computed should find it. Where several layers are equally similar, each is a
guess: one of T gives 1/T, as chance does.

Cost: O(S T).
Reference: Kornblith et al. (2019), arXiv:1905.00414, §6.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from inscape.core.jackknife import Jackknife, mean_of_pairs

#: similarities nearer to each other than this are equal
TIED = 1e-9


def identified(similarity: Float[np.ndarray, "*k s t"]) -> Float64[np.ndarray, "*k s"]:
    """Whether each layer's most similar layer is the one at its depth.

    Args:
        similarity: of the layers of one network (rows) to those of another, higher is more alike.

    Returns:
        1 or 0 for each row, and 1/m where m layers tie and the right one is among them.

    Raises:
        ValueError: networks of unequal depth.

    Example:
        >>> identified(np.array([[0.9, 0.1], [0.7, 0.7]])).tolist()
        [1.0, 0.5]
    """
    values = np.asarray(similarity, dtype=np.float64)
    if values.ndim < 2 or values.shape[-1] != values.shape[-2]:
        raise ValueError(
            f"identified: needs as many layers on both sides, got shape {values.shape}"
        )
    tied = values >= values.max(axis=-1, keepdims=True) - TIED
    return np.asarray(np.diagonal(tied, axis1=-2, axis2=-1) / tied.sum(axis=-1))


def between_networks(
    similarity: Float[np.ndarray, "*k ks kt"], networks: int
) -> Float64[np.ndarray, "*k n n"]:
    """Share of layers identified for every ordered pair of networks.

    Args:
        similarity: of all layers of all networks, network by network, (networks · layers, networks
            · layers).
        networks: how many.

    Returns:
        (networks, networks); NaN where a network meets itself.

    Raises:
        ValueError: layers that are not as many in every network.
    """
    values = np.asarray(similarity, dtype=np.float64)
    depth, lead = _depth(values.shape[-1], networks, "between_networks"), values.shape[:-2]
    blocks = values.reshape(*lead, networks, depth, networks, depth).swapaxes(-3, -2)
    own = np.eye(networks, dtype=bool)
    shares = identified(np.where(own[..., None, None], 0.0, blocks)).mean(axis=-1)
    return np.where(own, np.nan, shares)


def over_networks(similarity: Float[np.ndarray, "ks kt"], networks: int) -> Jackknife:
    """Share of layers identified over all pairs of networks, jackknifed over networks.

    Args:
        similarity: as in `between_networks`.
        networks: how many, at least 3.
    """
    return mean_of_pairs(between_networks(similarity, networks))


def every_pair(
    measure: Callable[[Any, Any], Any], sides: Sequence[Any], networks: int
) -> Float64[np.ndarray, "*m ks kt"]:
    """A measure of every layer with every layer of the other networks, in both orders.

    Args:
        measure: takes two of the sides; one number or several.
        sides: what it takes of each layer, network by network.
        networks: how many, at least 2.

    Returns:
        NaN between layers of one network.

    Raises:
        ValueError: layers that are not as many in every network, or a single network.
    """
    depth = _depth(len(sides), networks, "every_pair")
    if networks < 2:
        raise ValueError("every_pair: one network has no other to be compared with")
    whose = np.arange(len(sides)) // depth
    found = {
        (i, j): np.asarray(measure(sides[i], sides[j]), dtype=np.float64)
        for i, j in np.argwhere(whose[:, None] != whose)
    }
    out = np.full((*next(iter(found.values())).shape, len(sides), len(sides)), np.nan)
    for (i, j), value in found.items():
        out[..., i, j] = value
    return out


def _depth(layers: int, networks: int, caller: str) -> int:
    """Layers of one network, where all have as many."""
    if networks < 1 or not layers or layers % networks:
        raise ValueError(
            f"{caller}: {layers} layers are not as many in each of {networks} networks"
        )
    return layers // networks
