"""A similarity card: which measures find two representations alike, which do not, and why they
differ.

Measures disagree because they ignore different things. On one pair of representations the card
gives, each with interval and null,

    debiased linear CKA, RBF CKA     the spread of the items, up to rotation          local: mutual k-NN
    RSA (ρ-a)                        the order of dissimilarities                     neurons: one-to-one matching
    Procrustes, CCA, ridge R²        maps fitted on half of the items and scored on the other half

and names the reason where two of them part: variance that few directions hold, neighbourhoods
without a common geometry, spaces that agree while their neurons do not, one side that holds more
than the other, or the bias of the usual form.

Cost: n² (d + e) a measure and draw of an interval.
Reference: Klabunde et al. (2025), arXiv:2305.06329; Ding, Denain and Steinhardt (2021),
arXiv:2108.01661 (that measures differ).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from inscape.compare.canonical import ROWS_EACH, CanonicalCorrelation
from inscape.compare.cka_biased import cka_biased
from inscape.compare.dissimilarity import dissimilarity
from inscape.compare.linear_cka import linear_cka, linear_table
from inscape.compare.measure_card import card_of
from inscape.compare.mutual_knn import knn_table, mutual_knn
from inscape.compare.neuron_matching import NeuronMatching
from inscape.compare.pair_table import PairTable
from inscape.compare.paired_rows import paired_rows
from inscape.compare.procrustes import Procrustes
from inscape.compare.rbf_cka import rbf_cka, rbf_table
from inscape.compare.resampling import measured
from inscape.compare.rsa import dissimilarity_table, rsa
from inscape.compare.shifts import shifts
from inscape.compare.similarity_map import similarity_map
from inscape.compare.translation import TranslationMap
from inscape.core.evidence import Beside, Evidence

#: groups of items below which neither a permutation of groups nor a half of them says anything
FEWEST = 20
ROTATION = "rotations, one factor for all neurons, shifts"


def rsa_table(x: Any) -> PairTable:
    """The pair table of RSA by correlation distance and ρ-a."""
    return dissimilarity_table(dissimilarity(x, "correlation"), how="rho-a", kind="correlation")


#: measures that are cosines of pair tables: name → how a table is made, and what it ignores
TABLES: dict[str, tuple[Callable[[Any], PairTable], str]] = {
    "debiased linear CKA": (linear_table, card_of(linear_cka).ignores),
    "debiased RBF CKA": (rbf_table, card_of(rbf_cka).ignores),
    "mutual 10-NN": (knn_table, card_of(mutual_knn).ignores),
    "RSA (correlation distance, rho-a)": (rsa_table, card_of(rsa).ignores),
}


@dataclass(frozen=True, eq=False)
class SimilarityCard:
    """What was found on one pair of representations.

    Attributes:
        evidence: one piece for each measure; ``where`` holds ``measure``, ``ignores`` (what it is
            invariant to) and ``items`` (all, or held out).
        reasons: sentences on which agree, which do not, and why.
    """

    evidence: tuple[Evidence, ...]
    reasons: tuple[str, ...]


def similarity_card(
    x: Any,
    y: Any,
    *,
    rng: np.random.Generator,
    groups: Sequence[Any] | np.ndarray | None = None,
    draws: int = 199,
) -> SimilarityCard:
    """Compare two representations by every measure of the card.

    Args:
        x: (n, d).
        y: (n, e).
        rng: of permutations, folds and intervals.
        groups: one group per item, all of one size, kept whole in permutations and between fitting
            and scoring.
        draws: permutations of the nulls.

    Returns:
        The card.

    Raises:
        ValueError: other items, fewer than 40 of them, fewer than 20 groups, or a side that tells
            items not apart.
        DataError: groups of unequal sizes.
    """
    a, b = paired_rows(x, y, "similarity_card", least=40)
    codes = (
        np.arange(len(a))
        if groups is None
        else np.unique(np.asarray(groups), return_inverse=True)[1]
    )
    if int(codes.max()) + 1 < FEWEST:
        raise ValueError(
            f"similarity_card: {int(codes.max()) + 1} groups are too few; give at least {FEWEST}, "
            "or leave groups out"
        )
    moved = shifts(len(a), draws, rng=rng, groups=groups)
    found = []
    for name, (table, ignores) in TABLES.items():
        where = {"measure": name, "ignores": ignores, "items": "all"}
        one = similarity_map([table(a)], [table(b)], groups=groups, shifts=moved)
        beside = ()
        if name == "debiased linear CKA":
            beside = (Beside("reference", "biased form", cka_biased(a, b)),)
        found.append(one.evidence(0, 0, name=name, where=where, beside=beside))
    found += _held_out(a, b, codes, rng, draws, None if groups is None else np.asarray(groups))
    return SimilarityCard(tuple(found), reasons(found, len(a), (a.shape[1], b.shape[1])))


def _held_out(
    a: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, "n e"],
    codes: Int[np.ndarray, " n"],
    rng: np.random.Generator,
    draws: int,
    groups: np.ndarray | None,
) -> list[Evidence]:
    """Maps fitted on half of the items (groups) and scored on the rest."""
    count = int(codes.max()) + 1
    chosen = np.isin(codes, rng.permutation(count)[: count // 2])
    train, test = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    rank = max(1, len(train) // ROWS_EACH)
    makers: dict[str, tuple[Any, bool, str]] = {
        "Procrustes, held out": (Procrustes(), False, ROTATION),
        f"CCA of {rank} components, held out": (CanonicalCorrelation(rank), False, ROTATION),
        "ridge R², first to second": (TranslationMap("ridge"), False, "linear maps of the first"),
        "ridge R², second to first": (TranslationMap("ridge"), True, "linear maps of the second"),
        "neurons matched one to one, held out": (
            NeuronMatching(),
            False,
            "the order of the neurons, shifts, one factor for each neuron",
        ),
    }
    inside = None if groups is None else groups[test]
    out = []
    for name, (estimator, turned, ignores) in makers.items():
        first, second = (b, a) if turned else (a, b)
        with warnings.catch_warnings():  # ranks are declared so that rows suffice
            warnings.simplefilter("ignore", UserWarning)
            fitted = estimator.fit(first[train], second[train])
        moved = shifts(len(test), draws, rng=rng, groups=inside)
        note = (
            "The map is fitted on half of the items; the interval is over the other half, the "
            "map as it is."
        )
        out.append(
            measured(
                fitted.score,
                first[test],
                second[test],
                shifts=moved,
                rng=rng,
                name=name,
                groups=inside,
                where={"measure": name, "ignores": ignores, "items": "held out"},
                warnings=(note,),
            )
        )
    return out


def reasons(
    found: Sequence[Evidence], n: int, widths: tuple[int, int], alpha: float = 0.05
) -> tuple[str, ...]:
    """Why measures part, in sentences; thresholds are of the measures' own scales and are named in
    them.

    Args:
        found: evidence of a card.
        n: items.
        widths: d and e.
        alpha: level of the permutation tests.
    """
    value = {e.name: float(e.value) for e in found}
    alike = [e.name for e in found if e.p is not None and e.p <= alpha]
    apart = [e.name for e in found if e.name not in alike]
    out = []
    if alike:
        out.append(f"More alike than permuted items (p ≤ {alpha:g}): {', '.join(alike)}.")
    if apart:
        out.append(f"Not shown to be alike: {', '.join(apart)}.")
    cka = value["debiased linear CKA"]
    rbf, near = value["debiased RBF CKA"], value["mutual 10-NN"]
    moved, matched = value["Procrustes, held out"], value["neurons matched one to one, held out"]
    shared = next(v for k, v in value.items() if k.startswith("CCA"))
    one, two = value["ridge R², first to second"], value["ridge R², second to first"]
    biased = next((b.value for e in found for b in e.beside), cka)
    if biased - cka > 0.1:
        out.append(
            f"The biased CKA reads {biased:.2f} where the debiased one reads {cka:.2f}: the "
            f"difference is bias, which grows with neurons ({max(widths)}) per item ({n}) and is "
            "there for unrelated representations too."
        )
    if cka - matched > 0.3:
        out.append(
            f"The spaces agree (CKA {cka:.2f}) and single neurons do not (matched {matched:.2f}): "
            "CKA ignores rotations, which a matching of neurons does not."
        )
    if shared - cka > 0.2:
        out.append(
            f"Directions are shared (held-out CCA {shared:.2f}) that hold little of the variance "
            f"(CKA {cka:.2f}): CCA counts every direction alike, CKA by its variance."
        )
    if cka - shared > 0.2:
        out.append(
            f"A few directions of large variance agree (CKA {cka:.2f}) and most others do not "
            f"(held-out CCA {shared:.2f})."
        )
    if cka - near > 0.3:
        out.append(
            f"The coarse spread of the items agrees (CKA {cka:.2f}) and who lies beside whom does "
            f"not ({near:.2f} of the nearest ten)."
        )
    if near - cka > 0.2 or rbf - cka > 0.2:
        out.append(
            f"Neighbourhoods agree ({near:.2f} of the nearest ten, RBF CKA {rbf:.2f}) more than "
            f"the overall geometry (linear CKA {cka:.2f})."
        )
    if abs(one - two) > 0.15:
        more, less = ("first", "second") if one > two else ("second", "first")
        out.append(
            f"The {more} predicts the {less} better than the other way (R² {max(one, two):.2f} and "
            f"{min(one, two):.2f}): the {more} holds more than the {less}."
        )
    if moved > 0 and min(one, two) - moved**2 > 0.2:
        out.append(
            f"A linear map carries one into the other (R² {min(one, two):.2f}) and a rotation does "
            f"so less (cosine {moved:.2f}): the same information at other scales."
        )
    return tuple(out)
