"""Representational similarity analysis: do two representations put the same pairs of items far
apart?

Each side becomes a dissimilarity matrix (`inscape.compare.dissimilarity`); the off-diagonal
entries, m = n(n − 1)/2, are compared:

    cosine     ⟨a, b⟩ / (‖a‖‖b‖)                      pearson    the same about their means
    spearman   pearson of the ranks                   rho-a      12 ⟨ranks, ranks⟩ / (m³ − m), ranks about their mean
    tau-a      (concordant − discordant) / (m(m−1)/2) whitened   cosine in the metric of the entries' own covariance V

Entries that share an item are dependent, so a correlation's usual p is wrong (28 % false positives
at 5 % were measured): permute *items* (`similarity_map` with shifts). Where one side has ties (a
model of categories), tau-a and rho-a do not favour it, tau-b and Spearman do. V of estimated
squared distances with equal noise is (c_ij · c_kl)², with eigenvalues 2n (the mean), n (items) and
2 (the rest), so its inverse root is applied in n² operations; whitened squared distances give
linear CKA's geometry.

Cost: n² d; m log m for ranks.
Reference: Kriegeskorte, Mur and Bandettini (2008); Schütt et al. (2023), Statistical inference on
representational geometries, eLife 12 (rho-a, tests); Diedrichsen et al. (2021), arXiv:2007.02789
(whitening).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from scipy.stats import kendalltau, rankdata

from inscape.compare.dissimilarity import dissimilarity
from inscape.compare.measure_card import MeasureCard, measures_as
from inscape.compare.pair_table import PairTable, cosine
from inscape.compare.paired_rows import paired_rows
from inscape.core.pair_matrices import checked_pairs


@measures_as(
    MeasureCard("RSA (correlation distance, rho-a)", -1.0, 1.0, frozenset({"neurons", "scale"}))
)
def rsa(x: Any, y: Any, *, kind: str = "correlation", how: str = "rho-a") -> float:
    """Similarity of the dissimilarity matrices of two representations.

    Args:
        x: (n, d).
        y: (n, e).
        kind: dissimilarity of items.
        how: how the matrices are compared.

    Raises:
        ValueError: fewer than 4 items, an unknown kind or comparison, or a side that tells no items
            apart.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(30, 5))
        >>> round(rsa(x, 3 * x[:, ::-1]), 9)
        1.0
    """
    a, b = paired_rows(x, y, "rsa")
    return compare_dissimilarities(dissimilarity(a, kind), dissimilarity(b, kind), how=how)


def compare_dissimilarities(
    first: Float[np.ndarray, "n n"], second: Float[np.ndarray, "n n"], *, how: str = "rho-a"
) -> float:
    """Similarity of two dissimilarity matrices, whatever they are made of (models and measurements
    alike).

    Args:
        first: symmetric; the diagonal is not looked at.
        second: the same items.
        how: the comparison.

    Raises:
        ValueError: an unknown comparison, matrices of other items, or one whose entries are all
            equal.
    """
    if how == "tau-a":
        one, two = (
            checked_pairs(m, "rsa: a dissimilarity matrix", least=3) for m in (first, second)
        )
        if len(one) != len(two):
            raise ValueError(f"rsa: matrices of {len(one)} and {len(two)} items; give the same")
        at = np.triu_indices(len(one), 1)
        return _tau_a(one[at], two[at])
    return cosine(dissimilarity_table(first, how=how), dissimilarity_table(second, how=how))


def dissimilarity_table(
    matrix: Float[np.ndarray, "n n"], *, how: str = "rho-a", kind: str = ""
) -> PairTable:
    """The pair table of a comparison of dissimilarity matrices; tau-a has none.

    Args:
        matrix: symmetric dissimilarities; the diagonal is not looked at.
        how: the comparison.
        kind: name of the dissimilarity, for the name of the measure.

    Raises:
        ValueError: an unknown comparison, or a matrix that is not symmetric.
    """
    values = np.array(matrix, dtype=np.float64)
    n = len(values)
    if values.shape != (n, n) or n < 4 or not np.allclose(values, values.T, rtol=1e-7, atol=1e-12):
        raise ValueError(
            "rsa: a dissimilarity matrix is symmetric, of at least 4 items; got shape "
            f"{values.shape}"
        )
    if how not in ("cosine", "pearson", "spearman", "rho-a", "whitened"):
        raise ValueError(
            f"rsa: how must be cosine, pearson, spearman, rho-a, tau-a or whitened, got {how!r}"
        )
    at, own = np.triu_indices(n, 1), None
    entries, m = values[at], n * (n - 1) // 2
    if how in ("spearman", "rho-a"):
        entries = rankdata(tied(entries))
    if how in ("pearson", "spearman", "rho-a"):
        flat = np.ptp(entries) <= 1e-12 * max(float(np.abs(entries).max()), 1e-300)
        entries = np.zeros(m) if flat else entries - entries.mean()
    if how == "rho-a":
        own = (float(m) ** 3 - m) / 6  # of both triangles
    values = np.zeros((n, n))
    values[at] = entries
    values += values.T
    if how == "whitened":
        values = _whitened(values)
    name = f"RSA ({kind + ' distance, ' if kind else ''}{how})"
    return PairTable.dense(values, name, 2, own)


def tied(entries: Float[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    """Entries over the largest, in which those that differ by rounding alone are equal: as ranks
    see them.
    """
    return np.round(entries / max(float(np.abs(entries).max()), 1e-300), 12)


def _whitened(values: Float64[np.ndarray, "n n"]) -> Float64[np.ndarray, "n n"]:
    """V^(−1/2) of the entries: their mean, items' effects and the rest, each over the root of its
    eigenvalue.
    """
    n = len(values)
    mean = values.sum() / (n * (n - 1))
    effect = (values.sum(axis=1) - (n - 1) * mean) / (n - 2)
    items = effect[:, None] + effect
    out = (values - mean - items) / np.sqrt(2) + items / np.sqrt(n) + mean / np.sqrt(2 * n)
    np.fill_diagonal(out, 0.0)
    return out


def _tau_a(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's tau-a from tau-b and the ties."""
    pairs = len(a) * (len(a) - 1) / 2
    untied = [
        pairs - sum(c * (c - 1) / 2 for c in np.unique(v, return_counts=True)[1]) for v in (a, b)
    ]
    if min(untied) == 0:
        raise ValueError(
            "rsa: all entries of one dissimilarity matrix are equal; leave that site out"
        )
    return float(kendalltau(a, b).statistic * np.sqrt(untied[0] * untied[1]) / pairs)
