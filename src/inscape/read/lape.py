"""LAPE: neurons that fire for some languages (or concepts) only, with the number that chance would
give.

The rate p_jl is the share of tokens of language l at which neuron j is active. Its entropy over
languages

    H_j = − Σ_l p'_jl log p'_jl,     p'_jl = p_jl / Σ_l p_jl

is low where a neuron keeps to few of them. A neuron is taken when its entropy is among the lowest
`share` and its largest rate is above the `activity` quantile of all rates; it belongs to every
language whose rate is above that. Some neuron is always among the lowest, so the labels of whole
documents are shuffled, within blocks if asked, and the entropy at which shuffles still find at most
a share `fdr` of what is found is a second bound: without a difference nothing is taken.

Cost: (1 + shuffles) · documents · languages · neurons multiplications.
Reference: Tang et al. (2024), Language-specific neurons, arXiv:2402.16438, §2.2; Storey and
Tibshirani (2003), PNAS 100, for the false discovery rate from permutations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from inscape.core.nulls import permutations


@dataclass(frozen=True)
class Lape:
    """Neurons and the languages that they keep to.

    Attributes:
        rates: share of a language's tokens at which a neuron is active, (languages, neurons).
        entropy: over languages, in nats, (neurons,); ln(languages) for one that is active
            everywhere alike or never.
        active: the rate above which a neuron counts as active for a language.
        bound: the largest entropy that is taken; −inf where shuffles find as much at every entropy.
        selected: which neurons are taken, (neurons,).
        belongs: languages of the neurons taken, (languages, neurons).
        null: neurons at or below `bound` and active enough, for each shuffle, (shuffles,).
    """

    rates: Float[np.ndarray, "k m"]
    entropy: Float[np.ndarray, " m"]
    active: float
    bound: float
    selected: Bool[np.ndarray, " m"]
    belongs: Bool[np.ndarray, "k m"]
    null: Int[np.ndarray, " shuffles"]


def firing_entropy(rates: Real[np.ndarray, "k m"]) -> Float[np.ndarray, " m"]:
    """Entropy (nats) of a neuron's rates over languages; ln k for one that is never active.

    Raises:
        ValueError: rates that are negative or not finite.

    Example:
        >>> firing_entropy(np.array([[0.2, 0.4], [0.2, 0.0]])).round(3).tolist()
        [0.693, 0.0]
    """
    rates = np.asarray(rates, dtype=np.float64)
    if not (np.isfinite(rates) & (rates >= 0)).all():
        raise ValueError("firing_entropy: rates are finite and 0 or more")
    total = rates.sum(axis=0)
    p = np.divide(rates, total, out=np.full_like(rates, 1.0 / len(rates)), where=total > 0)
    return -np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(axis=0) + 0.0


def lape(
    counts: Float[np.ndarray, "docs m"],
    tokens: Int[np.ndarray, " _"],
    language: Int[np.ndarray, " _"],
    *,
    rng: np.random.Generator,
    share: float = 0.01,
    activity: float = 0.95,
    fdr: float = 0.05,
    shuffles: int = 50,
    blocks: np.ndarray | None = None,
) -> Lape:
    """Find the neurons.

    Args:
        counts: tokens of each document at which each neuron is active (its gate's output above
            zero).
        tokens: tokens of each document.
        language: code of each document's language, 0 … k − 1.
        rng: of the shuffles.
        share: share of all neurons that is taken at most.
        activity: quantile of all rates that a neuron's largest rate must be above.
        fdr: most neurons that shuffles may find at the bound, on average, as a share of those
            found.
        shuffles: how many.
        blocks: within which labels are shuffled (the same program in every language, say); None for
            all documents.

    Returns:
        Rates, entropies, and what was taken with its null.

    Raises:
        ValueError: one language only, shapes that do not fit, a share that is none, no shuffle.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> language = np.arange(60) % 3
        >>> counts = rng.binomial(50, 0.3, size=(60, 40)).astype(float)
        >>> counts[language != 1, 7] = 0
        >>> found = lape(counts, np.full(60, 50), language, rng=rng, share=0.025, activity=0.5)
        >>> np.flatnonzero(found.selected).tolist(), found.belongs[:, 7].tolist()
        ([7], [False, True, False])
    """
    _check(counts, tokens, language, share, activity, fdr, shuffles)
    rates = _rates(counts, tokens, language)
    entropy = firing_entropy(rates)
    active = float(np.quantile(rates, activity))
    fit = rates.max(axis=0) > active
    kept = np.where(fit, entropy, np.inf)
    drawn = []
    for order in _orders(len(language), shuffles, blocks, rng):
        shuffled = _rates(counts, tokens, language[order])
        enough = shuffled.max(axis=0) > float(np.quantile(shuffled, activity))
        drawn.append(np.sort(firing_entropy(shuffled)[enough]))
    most = max(1, round(share * counts.shape[1]))
    bound = _bound(np.sort(kept[np.isfinite(kept)])[:most], drawn, fdr)
    selected = kept <= bound
    null = np.array([np.searchsorted(row, bound, side="right") for row in drawn], dtype=np.int64)
    return Lape(rates, entropy, active, bound, selected, (rates > active) & selected, null)


def equal_sets(found: Lape, count: int) -> Bool[np.ndarray, "k m"]:
    """The same number of neurons for every language: of those active for it, the ones of lowest
    entropy.

    Args:
        found: rates and entropies.
        count: neurons a language, at least 1; fewer where fewer are active for it.

    Raises:
        ValueError: a count below 1.

    Example:
        >>> rates = np.array([[0.9, 0.8, 0.1, 0.9], [0.1, 0.2, 0.9, 0.8]])
        >>> none = np.zeros(4, dtype=bool)
        >>> found = Lape(rates, firing_entropy(rates), 0.5, -np.inf, none, rates < 0, np.zeros(1, dtype=int))
        >>> equal_sets(found, 1).astype(int).tolist()
        [[1, 0, 0, 0], [0, 0, 1, 0]]
    """
    if count < 1:
        raise ValueError(f"equal_sets: count must be at least 1, got {count}")
    out = np.zeros(found.rates.shape, dtype=bool)
    for own, rates in zip(out, found.rates, strict=True):
        fit = np.flatnonzero(rates > found.active)
        own[fit[np.argsort(found.entropy[fit], kind="stable")[:count]]] = True
    return out


def _rates(counts: np.ndarray, tokens: np.ndarray, language: np.ndarray) -> np.ndarray:
    member = (language[None] == np.arange(int(language.max()) + 1)[:, None]).astype(counts.dtype)
    return (member @ counts).astype(np.float64) / (member @ tokens)[:, None]


def _orders(
    n: int, shuffles: int, blocks: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    if blocks is None:
        return permutations(n, shuffles, rng=rng)
    out = np.tile(np.arange(n), (shuffles, 1))
    for block in np.unique(blocks):
        rows = np.flatnonzero(np.asarray(blocks) == block)
        for order in out:
            order[rows] = rng.permutation(rows)
    return out


def _bound(found: np.ndarray, drawn: list[np.ndarray], fdr: float) -> float:
    """The largest of the entropies found at which the mean count over shuffles is within `fdr` of
    the count found.
    """
    if not len(found):
        return -np.inf
    expected = np.mean([np.searchsorted(row, found, side="right") for row in drawn], axis=0)
    count = np.searchsorted(found, found, side="right")
    good = np.flatnonzero(expected <= fdr * count)
    return float(found[good[-1]]) if len(good) else -np.inf


def _check(
    counts: np.ndarray,
    tokens: np.ndarray,
    language: np.ndarray,
    share: float,
    activity: float,
    fdr: float,
    shuffles: int,
) -> None:
    n = len(counts)
    if len(tokens) != n or len(language) != n:
        raise ValueError(
            f"lape: {n} rows of counts, {len(tokens)} of tokens, {len(language)} of language; give "
            "one each"
        )
    if len(np.unique(language)) < 2 or set(np.unique(language)) != set(
        range(int(language.max()) + 1)
    ):
        raise ValueError(
            "lape: language must hold codes 0 … k − 1 of at least two languages, each used"
        )
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError("lape: counts are finite and 0 or more")
    if (np.asarray(tokens) < 1).any() or (counts > np.asarray(tokens)[:, None]).any():
        raise ValueError(
            "lape: a document has no tokens, or a neuron is active at more tokens than it has"
        )
    for name, value in (("share", share), ("activity", activity), ("fdr", fdr)):
        if not 0 < value < 1:
            raise ValueError(f"lape: {name} must be between 0 and 1, got {value}")
    if shuffles < 1:
        raise ValueError(f"lape: needs at least one shuffle for its null, got {shuffles}")
