"""Directions that mean nothing in particular: what any direction would do, for comparison with one
that was found.

    isotropic            d ~ N(0, I)                 nearly orthogonal to everything the network uses
    matched              d ~ N(0, Σ),  d = Xᵀg       g ~ N(0, I); Σ the covariance of the rows of X
    half-swapped         difference of means with the labels of a random half of the groups swapped

An isotropic direction is a weak control: in a wide network it holds little of what varies. A
matched one lies where the activations do. A half-swapped one is found as the real one is, from
labels of which exactly half (of the groups) are turned, so that what the labels share cancels. Over
several sites one g, or one swap, is one draw: neighbouring layers then get nearly the same
direction, as neighbouring layers' real directions are nearly the same.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def isotropic(
    k: int, sites: int, d: int, *, rng: np.random.Generator
) -> Float[np.ndarray, "k sites d"]:
    """Unit directions drawn from N(0, I), each the same at every site."""
    draws = rng.standard_normal((k, 1, d))
    return np.repeat(draws / np.linalg.norm(draws, axis=-1, keepdims=True), sites, axis=1)


def matched(
    x: Float[np.ndarray, "sites n d"], k: int, *, rng: np.random.Generator
) -> Float[np.ndarray, "k sites d"]:
    """Unit directions drawn from N(0, Σ) of each site's rows, with the same weights on the rows at
    every site.

    Args:
        x: rows, centred by what must not be matched (their class, say).
        k: how many draws.
        rng: the generator.
    """
    return combined(x, rng.standard_normal((k, x.shape[1])))


def half_swapped(
    x: Float[np.ndarray, "sites n d"],
    y: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    k: int,
    *,
    rng: np.random.Generator,
) -> Float[np.ndarray, "k sites d"]:
    """Unit differences of means after swapping the two labels in a random half of the groups (half
    less one if odd).

    Args:
        x: rows.
        y: labels 0 and 1; each group should hold both.
        groups: group of each row, 0 … G − 1.
        k: how many draws.
        rng: the generator.

    Raises:
        ValueError: labels other than 0 and 1, fewer than two groups, or a swap that leaves a class
            empty.
    """
    if not np.isin(y, (0, 1)).all():
        raise ValueError("half_swapped: y must hold 0 and 1 only; a swap turns one into the other")
    count = int(groups.max()) + 1
    if count < 2:
        raise ValueError("half_swapped: needs at least two groups, got one")
    weights = np.empty((k, len(y)))
    for i in range(k):
        turned = np.isin(groups, rng.permutation(count)[: count // 2])
        label = np.where(turned, 1 - y, y)
        if label.min() == label.max():
            raise ValueError(
                "half_swapped: a swap left one class empty; every group should hold both labels"
            )
        weights[i] = np.where(label == 1, 1 / (label == 1).sum(), -1 / (label == 0).sum())
    return combined(x, weights)


def combined(
    x: Float[np.ndarray, "sites n d"], weights: Float[np.ndarray, "k n"]
) -> Float[np.ndarray, "k sites d"]:
    """Unit directions ``Σ_i w_i x_i``, with the same weights on the rows at every site; zero where
    the sum is, since rows that do not vary give no direction.

    Raises:
        ValueError: rows that hold NaN or infinite numbers.
    """
    out = np.stack([weights @ rows.astype(np.float64) for rows in x], axis=1)
    if not np.isfinite(out).all():
        site = int((~np.isfinite(out)).any(axis=(0, 2)).argmax())
        raise ValueError(
            f"random directions: the rows of site {site} hold NaN or infinite numbers; leave those "
            "rows out"
        )
    size = np.linalg.norm(out, axis=-1, keepdims=True)
    return np.divide(out, size, out=np.zeros_like(out), where=size > 0)
