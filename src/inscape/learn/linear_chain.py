"""Deep linear networks trained by gradient descent on their product.

    P = W_D ⋯ W_1,    W_l ← W_l − η (W_D ⋯ W_(l+1))ᵀ G (W_(l−1) ⋯ W_1)ᵀ,    G = ∂L / ∂P

A loss of the product alone needs only G, so losses with a closed form are trained without any data.
Layers are stacks of square matrices: what stands in the leading axes (pathways, networks) is trained
side by side.

Cost: 3 D − 2 products of matrices a step.
Reference: Saxe, McClelland and Ganguli (2014), arXiv:1312.6120.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

Layers = list[np.ndarray]


def linear_chain(
    depth: int, shape: Sequence[int], scale: float, *, rng: np.random.Generator
) -> Layers:
    """Layers with normal entries, whose product has about a scale.

    Args:
        depth: D, at least 1.
        shape: of each layer, (…, d, d).
        scale: s; the entries of a layer have the variance s^(2/D) / d, so that a vector's mean
            square grows by s² through the product on average.
        rng: of the entries.

    Raises:
        ValueError: no layer, matrices that are not square, or a scale that is not positive.

    Example:
        >>> layers = linear_chain(3, (5, 4, 4), 0.01, rng=np.random.default_rng(0))
        >>> len(layers), chain_product(layers).shape
        (3, (5, 4, 4))
    """
    if depth < 1 or len(shape) < 2 or shape[-1] != shape[-2] or scale <= 0:
        raise ValueError(
            "linear_chain: needs at least one layer, square matrices and a positive scale, got "
            f"{depth}, {tuple(shape)} and {scale}"
        )
    size = scale ** (1 / depth) / np.sqrt(shape[-1])
    return [size * rng.standard_normal(tuple(shape)) for _ in range(depth)]


def chain_product(layers: Layers) -> Float64[np.ndarray, "*s d d"]:
    """P: the last layer times … times the first."""
    found = layers[0]
    for w in layers[1:]:
        found = w @ found
    return found


def chain_descent(
    layers: Layers,
    gradient: Callable[[np.ndarray], np.ndarray],
    steps: int,
    lr: float,
    every: int = 0,
) -> tuple[Layers, list[np.ndarray]]:
    """Gradient descent on the layers.

    Args:
        layers: W_1 … W_D, which are left as they are.
        gradient: P → G, of the same shape.
        steps: how many.
        lr: η.
        every: steps between two products that are kept; 0 to keep none.

    Returns:
        The new layers, and the products before steps 0, every, 2 every, ….

    Raises:
        ValueError: the product is no longer finite.

    Example:
        >>> one = [np.full((1, 1), 0.5), np.full((1, 1), 0.5)]
        >>> done, kept = chain_descent(one, lambda p: p - 4.0, 200, 0.05, every=50)
        >>> chain_product(done).round(3).item(), len(kept)
        (4.0, 4)
    """
    now, kept = list(layers), []
    for step in range(steps):
        before = [now[0]]
        for w in now[1:]:
            before.append(w @ before[-1])
        if every and step % every == 0:
            kept.append(before[-1])
        outer, fresh = gradient(before[-1]), list(now)
        for place in range(len(now) - 1, -1, -1):
            inner = outer @ before[place - 1].swapaxes(-1, -2) if place else outer
            fresh[place] = now[place] - lr * inner
            outer = now[place].swapaxes(-1, -2) @ outer if place else outer
        now = fresh
    if not np.isfinite(chain_product(now)).all():
        raise ValueError("chain_descent: the product is no longer finite; lower the learning rate")
    return now, kept
