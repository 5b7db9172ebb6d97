"""Do similarities of ordered things behave as a line of magnitudes would have them?

    distance effect    s(x, y) falls linearly in |x − y|
    size effect        at one distance, s(x, y) rises linearly in min(x, y)
    ratio effect       s(x, y) = a + b exp(−c max(x, y) / min(x, y)),  b > 0

each as R² over pairs, with a minus sign where the slope goes the other way. The number line is the
first axis of classical multidimensional scaling of the dissimilarities 1 − s, and its fit to log x
and to x is the squared correlation.

Cost: O(n²), for many similarity matrices at once.
Reference: Shah et al. (2023), Numeric magnitude comparison effects in large language models,
arXiv:2305.10782, section 3; Moyer and Landauer (1967), Nature 215.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from inscape.core.arrays import to_numpy
from inscape.core.nulls import p_value
from inscape.core.pair_matrices import checked_pairs

#: decay rates c that are tried
DECAYS = np.geomspace(0.05, 5, 25)


def distance_effect(similarity: Any, values: Any) -> Float[np.ndarray, " *s"]:
    """Signed R² of a linear fall with the distance.

    Args:
        similarity: symmetric, (…, n, n), at least three things.
        values: magnitude of each, (n,).

    Raises:
        ValueError: no similarity for each pair of at least three things, one that is not
            symmetric, or a number that is not finite.

    Example:
        >>> x = np.arange(1, 6)
        >>> float(distance_effect(-np.abs(x[:, None] - x), x).round(12))
        1.0
    """
    s, x, (i, j) = _pairs(similarity, values, "distance_effect")
    return np.asarray(-_signed(s, np.abs(x[i] - x[j])))


def size_effect(similarity: Any, values: Any, distance: float = 1.0) -> Float[np.ndarray, " *s"]:
    """Signed R² of a linear rise with the smaller of two, at one distance.

    Args:
        similarity: symmetric, (…, n, n).
        values: magnitude of each, (n,).
        distance: of the pairs that are looked at.

    Raises:
        ValueError: fewer than three pairs at that distance; as `distance_effect`.
    """
    s, x, (i, j) = _pairs(similarity, values, "size_effect")
    near = np.isclose(np.abs(x[i] - x[j]), distance)
    if near.sum() < 3:
        raise ValueError(
            f"size_effect: {near.sum()} pairs are {distance:g} apart, and a line needs three"
        )
    return _signed(s[..., near], np.minimum(x[i], x[j])[near])


def ratio_effect(similarity: Any, values: Any) -> Float[np.ndarray, " *s"]:
    """Signed R² of an exponential fall with the ratio, over the best of `DECAYS`.

    Args:
        similarity: symmetric, (…, n, n).
        values: magnitude of each, above 0, (n,).

    Raises:
        ValueError: a magnitude of 0 or below; as `distance_effect`.
    """
    s, x, (i, j) = _pairs(similarity, values, "ratio_effect")
    if not (x > 0).all():
        raise ValueError("ratio_effect: magnitudes must be above 0 to have ratios")
    ratio = np.maximum(x[i], x[j]) / np.minimum(x[i], x[j])
    return np.asarray(np.max([_signed(s, np.exp(-c * ratio)) for c in DECAYS], axis=0))


def number_line(similarity: Any) -> Float[np.ndarray, " n"]:
    """First axis of classical multidimensional scaling of 1 − s, (n,); its sign is arbitrary."""
    d2 = (1 - np.asarray(to_numpy(similarity), dtype=np.float64)) ** 2
    centred = d2 - d2.mean(axis=0) - d2.mean(axis=1, keepdims=True) + d2.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    return vectors[:, -1] * np.sqrt(max(values[-1], 0.0))


def every_effect(similarity: Any, values: Any, orders: Sequence[np.ndarray]) -> dict[str, float]:
    """The three effects of one similarity matrix with p over permuted orders, and how well the
    number line fits.

    Args:
        similarity: symmetric, (n, n).
        values: magnitude of each, above 0, (n,).
        orders: permutations of `values`, each (n,), which take their place.

    Returns:
        A row of a table: ``distance``, ``size`` and ``ratio`` as signed R², each followed by
        ``p of distance`` and so on; ``MDS, log`` and ``MDS, linear``, the squared correlation of
        the number line with log x and with x.

    Raises:
        ValueError: as the effects themselves, or an order that is no permutation of `values`.

    Example:
        >>> x = np.arange(1, 6)
        >>> row = every_effect(1 - np.abs(x[:, None] - x) / 9, x, [x[::-1], x[[1, 0, 2, 3, 4]]])
        >>> round(row["distance"], 9), round(row["MDS, linear"], 2)
        (1.0, 1.0)
    """
    row = {}
    line, x = number_line(similarity), np.asarray(values, dtype=np.float64)
    if wrong := [i for i, own in enumerate(orders) if not np.array_equal(np.sort(own), np.sort(x))]:
        raise ValueError(
            f"every_effect: {len(wrong)} orders (first: {wrong[0]}) are no permutations of values; "
            "give the values themselves in another order, not their places"
        )
    for name, effect in (
        ("distance", distance_effect),
        ("size", size_effect),
        ("ratio", ratio_effect),
    ):
        row[name] = float(effect(similarity, values))
        null = np.array([float(effect(similarity, order)) for order in orders])
        row[f"p of {name}"] = float(p_value(row[name], null))
    row["MDS, log"] = float(np.corrcoef(line, np.log(x))[0, 1] ** 2)
    row["MDS, linear"] = float(np.corrcoef(line, x)[0, 1] ** 2)
    return row


def _pairs(
    similarity: Any, values: Any, name: str
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    s, x = (np.asarray(to_numpy(a), dtype=np.float64) for a in (similarity, values))
    if s.ndim < 2 or s.shape[-2:] != (len(x), len(x)) or len(x) < 3:
        raise ValueError(
            f"{name}: needs a similarity for each pair of at least three things, got {s.shape} for "
            f"{len(x)}"
        )
    s = checked_pairs(s, f"{name}: similarity", least=3)
    if not np.isfinite(x).all():
        raise ValueError(f"{name}: values hold NaN or infinite numbers; leave those things out")
    upper = np.triu_indices(len(x), 1)
    return s[..., upper[0], upper[1]], x, upper


def _signed(s: np.ndarray, predictor: np.ndarray) -> np.ndarray:
    """Squared correlation with the sign of the correlation; 0 where one side does not vary."""
    a, b = s - s.mean(axis=-1, keepdims=True), predictor - predictor.mean()
    below = np.linalg.norm(a, axis=-1) * np.linalg.norm(b)
    r = np.divide(a @ b, below, out=np.zeros(np.shape(below)), where=below > 1e-12)
    return np.asarray(np.sign(r) * r**2)
