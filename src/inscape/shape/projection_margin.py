"""How many dimensions keep a ranking by inner products? Margins, and what random projections can do
to them.

    μ = ⟨q, d₁ − d₂⟩ / (‖q‖ ‖d₁ − d₂‖)                          normalised margin of a query between two documents
    P(⟨Aq, Ad₁⟩ ≤ ⟨Aq, Ad₂⟩) ≤ 4 exp(− k/2 · (μ²/2 − μ³/3))      A: k × v of independent ±1

A margin is large where documents are short: the words that a query shares with a document are then
a large part of it.

Cost: k v a document and draw.
Reference: Luan, Eisenstein, Toutanova and Collins (2021), Sparse, dense, and attentional
representations for text retrieval, arXiv:2005.00181, section 2 and lemma 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64, Real

from inscape.core.jackknife import Jackknife, left_out


def margin(
    q: Real[np.ndarray, "n v"], first: Real[np.ndarray, "n v"], second: Real[np.ndarray, "n v"]
) -> Float64[np.ndarray, " n"]:
    """The normalised margin by which each query prefers its first document; NaN for equal
    documents.

    Args:
        q: queries, (n, v).
        first, second: the two documents of each, (n, v); whole numbers such as counts too.

    Example:
        >>> margin(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).round(3).tolist()
        [0.707]
    """
    q, gap = _query_and_gap(q, first, second)
    with np.errstate(invalid="ignore"):
        return (q * gap).sum(axis=1) / (np.linalg.norm(q, axis=1) * np.linalg.norm(gap, axis=1))


def misranked_bound(mu: Float[np.ndarray, " n"], k: int | np.integer) -> Float64[np.ndarray, " n"]:
    """The most often that the second document scores at least as high after a projection to k
    dimensions; at most 1, and 1 where the query does not prefer the first.

    Raises:
        ValueError: k below 1.
    """
    if k < 1:
        raise ValueError(f"misranked_bound: k must be at least 1, got {k}")
    m = np.maximum(np.asarray(mu, dtype=np.float64), 0.0)
    return np.minimum(1.0, 4 * np.exp(-k / 2 * (m**2 / 2 - m**3 / 3)))


def _query_and_gap(q: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, ...]:
    """In floating point: the difference of unsigned counts would wrap around."""
    one, two = (np.asarray(x, dtype=np.float64) for x in (first, second))
    return np.asarray(q, dtype=np.float64), one - two


def misranked(
    q: Real[np.ndarray, "n v"],
    first: Real[np.ndarray, "n v"],
    second: Real[np.ndarray, "n v"],
    sizes: Sequence[int],
    *,
    draws: int = 40,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "sizes n"]:
    """How often random projections reverse the order of two documents.

    Args:
        q: queries, (n, v).
        first, second: two documents of each; the query prefers the first.
        sizes: dimensions of the projections; the smaller are the first rows of the largest.
        draws: projections.
        rng: of the signs.

    Returns:
        Share of the draws in which the second document scores at least as high, (sizes, n).

    Raises:
        ValueError: no size, one below 1, or no draw.
    """
    if not len(sizes) or min(sizes) < 1 or draws < 1:
        raise ValueError(
            f"misranked: needs sizes of at least 1 and at least one draw, got {list(sizes)} and "
            f"{draws}"
        )
    (q, gap), most = _query_and_gap(q, first, second), max(sizes)
    sides = np.concatenate([q, gap]).T.astype(np.float32)
    out = np.zeros((len(sizes), len(q)))
    for _ in range(draws):
        signs = rng.integers(2, size=(most, q.shape[1]), dtype=np.int8)
        one, other = np.split((2 * signs - 1).astype(np.float32) @ sides, 2, axis=1)
        score = np.cumsum(one.astype(np.float64) * other, axis=0)
        out += score[np.array(sizes) - 1] <= 0
    return out / draws


@dataclass(frozen=True, eq=False)
class Misranking:
    """How often random projections of several sizes reverse pairs, beside the bound.

    Attributes:
        sizes: dimensions of the projections.
        margins: of each query between its documents, (n,).
        wrong: share of the draws that reverse the pair, (sizes, n); NaN where the query does not
            prefer its own document.
    """

    sizes: tuple[int, ...]
    margins: Float64[np.ndarray, " n"]
    wrong: Float64[np.ndarray, "sizes n"]

    def table(self) -> pd.DataFrame:
        """For each size ``dimensions``, ``misranked``, ``bound``, ``median margin`` and
        ``pairs``."""
        ahead = self.margins > 0
        mu = self.margins[ahead]
        rows = [
            {"dimensions": k, "misranked": own.mean(), "bound": misranked_bound(mu, k).mean()}
            for k, own in zip(self.sizes, self.wrong[:, ahead], strict=True)
        ]
        return pd.DataFrame(rows).assign(**{"median margin": np.median(mu), "pairs": len(mu)})

    def needed(self, share: float = 0.05) -> Jackknife:
        """The dimension at which this share of pairs is reversed, jackknifed over queries: between
        sizes on a logarithmic scale, the largest where none suffices."""

        def enough(kept: np.ndarray) -> float:
            wrong = self.wrong[:, kept[self.margins[kept] > 0]].mean(axis=1)
            falling = np.minimum.accumulate(wrong)
            return float(2 ** np.interp(-share, -falling, np.log2(self.sizes)))

        return left_out(enough, np.arange(len(self.margins)), "positive")


def misranking(
    q: Real[np.ndarray, "n v"],
    first: Real[np.ndarray, "n v"],
    second: Real[np.ndarray, "n v"],
    sizes: Sequence[int],
    *,
    draws: int = 40,
    rng: np.random.Generator,
) -> Misranking:
    """Margins of queries, and how often projections reverse those that prefer their own document.

    Args:
        q: queries, (n, v).
        first: the document of each query.
        second: another document.
        sizes: dimensions of the projections.
        draws: projections.
        rng: of their signs.
    """
    mu = margin(q, first, second)
    ahead = mu > 0
    wrong = np.full((len(sizes), len(mu)), np.nan)
    sides = (q[ahead], first[ahead], second[ahead])
    wrong[:, ahead] = misranked(*sides, sizes, draws=draws, rng=rng)
    return Misranking(tuple(sizes), mu, wrong)
