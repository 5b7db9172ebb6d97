"""A made chemistry: elements, and how often each kind of bond joins two of them in a corpus of
molecules.

    p(a, b | kind f) ∝ n_a n_b [valence of both ≥ f] exp(γ c_f(a, b))        n: Zipf, in random order
    c₁ = |e_a − e_b|      c₂ = −|s_a − s_b|      c₃ = −|e_a + e_b − 1|       e, s: charge and size, in 0 … 1

A single bond joins unlike charges, a double bond like sizes, a triple bond charges that sum to one.
No element is described by anything but its bonds; two corpora of the same chemistry share nothing
but it.

Cost: kinds × elements² numbers.
Reference: none; Sheshmani and You (2021), arXiv:2103.14770, §4, for elements translated by the
compounds that they form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from inscape.core.between import check_between

#: kinds of bonds: single, double, triple
KINDS = 3


def bonded_elements(
    elements: int = 60, *, pull: float = 4.0, rng: np.random.Generator
) -> Float64[np.ndarray, "kinds n n"]:
    """The probability of each ordered pair for each kind of bond.

    Args:
        elements: how many, at least 8.
        pull: γ, how much charges and sizes decide.
        rng: of the elements.

    Returns:
        Symmetric tables that sum to one each.

    Raises:
        ValueError: fewer than 8 elements.

    Example:
        >>> made = bonded_elements(10, rng=np.random.default_rng(0))
        >>> made.shape, made.sum(axis=(1, 2)).round(6).tolist()
        ((3, 10, 10), [1.0, 1.0, 1.0])
    """
    check_between("bonded_elements: elements", elements, 8)
    often = rng.permutation(1 / (np.arange(elements) + 10.0))
    charge, size = rng.random((2, elements))
    valence = rng.permutation(np.arange(elements) % 4) + 1
    apart = [np.abs(x[:, None] - x) for x in (charge, size)]
    liking = np.stack([apart[0], -apart[1], -np.abs(charge[:, None] + charge - 1)])
    able = np.stack([np.logical_and.outer(valence > f, valence > f) for f in range(KINDS)])
    p = np.outer(often, often) * able * np.exp(pull * liking)
    return p / p.sum(axis=(1, 2), keepdims=True)


def corpus(
    chances: Float64[np.ndarray, "kinds n n"], bonds: int, *, rng: np.random.Generator
) -> Float64[np.ndarray, "kinds n n"]:
    """How often each pair is bonded in a corpus, counted from both ends.

    Args:
        chances: of `bonded_elements`.
        bonds: of each kind.
        rng: of the corpus.

    Raises:
        ValueError: no bond.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> found = corpus(bonded_elements(10, rng=rng), 100, rng=rng)
        >>> found.sum(axis=(1, 2)).tolist(), bool((found == found.swapaxes(1, 2)).all())
        ([200.0, 200.0, 200.0], True)
    """
    check_between("corpus: bonds", bonds, 1)
    one = np.stack([rng.multinomial(bonds, p.ravel()).reshape(p.shape) for p in chances])
    return (one + one.swapaxes(1, 2)).astype(np.float64)


def rewired(
    counts: Float64[np.ndarray, "kinds n n"], *, rng: np.random.Generator
) -> Float64[np.ndarray, "kinds n n"]:
    """The same corpus with the ends of all bonds of a kind dealt out anew: each element keeps its
    number of bonds of each kind, and is bonded to anything.

    Args:
        counts: of `corpus`.
        rng: of the dealing.
    """
    out = np.zeros_like(counts)
    for own, was in zip(out, counts, strict=True):
        ends = rng.permutation(np.repeat(np.arange(len(was)), was.sum(axis=1).astype(np.int64)))
        np.add.at(own, (ends[::2], ends[1::2]), 1.0)
    return out + out.swapaxes(1, 2)


@dataclass(frozen=True, eq=False)
class TwinCorpora:
    """Two corpora of one chemistry, the elements of the second under names of its own.

    Attributes:
        first: how often each pair is bonded, for each kind, (kinds, elements, elements).
        second: the same in the second corpus, by the names there.
        rewired: the second with its bonds dealt out anew (`rewired`).
        pairs: each element and its name in the second corpus, in random order, (elements, 2).
    """

    first: Float64[np.ndarray, "kinds n n"]
    second: Float64[np.ndarray, "kinds n n"]
    rewired: Float64[np.ndarray, "kinds n n"]
    pairs: Int[np.ndarray, "n 2"]


def twin_corpora(
    elements: int = 60, bonds: int = 20_000, *, rng: np.random.Generator
) -> TwinCorpora:
    """Draw a chemistry, two corpora of it, and secret names for the second.

    Args:
        elements: how many, at least 8.
        bonds: of each kind in each corpus.
        rng: of everything.

    Example:
        >>> made = twin_corpora(10, 100, rng=np.random.default_rng(0))
        >>> made.second.shape, sorted(made.pairs[:, 1].tolist()) == list(range(10))
        ((3, 10, 10), True)
    """
    chances = bonded_elements(elements, rng=rng)
    first, plain = (corpus(chances, bonds, rng=rng) for _ in range(2))
    pairs = np.stack([rng.permutation(elements) for _ in range(2)], axis=1)
    name = pairs[np.argsort(pairs[:, 0]), 1]
    second = np.empty_like(plain)
    second[:, name[:, None], name] = plain
    return TwinCorpora(first, second, rewired(second, rng=rng), pairs)
