"""The causal inner product: which direction to add for a concept that is known as a direction among
output words.

With γ the unembedding vectors of all words and Σ their covariance,

    ⟨a, b⟩ = aᵀ Σ⁻¹ b              under which concepts that can vary freely are orthogonal
    λ = Σ⁻¹ γ̄                      the dual of a direction γ̄ among words: what to add to a state

Adding λ raises the concept's log-odds, λ·γ̄ = ⟨γ̄, γ̄⟩, and leaves those of every concept
orthogonal to it as they are, λ·γ̄' = ⟨γ̄, γ̄'⟩ = 0; adding γ̄ itself does not. Where a norm with
gains stands before the unembedding, give the rows times the gains, so that directions are those of
the residual stream.

Cost: words × d² for Σ, d³ once.
Reference: Park, Choe and Veitch (2023), The linear representation hypothesis, arXiv:2311.03658,
Theorem 3.2 and §3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from inscape.core.arrays import to_numpy
from inscape.core.moments import Moments

#: rows whose products are taken at once
CHUNK = 4096


@dataclass(frozen=True, eq=False)
class CausalInnerProduct:
    """The inner product of an unembedding; made with `of`.

    Attributes:
        values: eigenvalues of Σ that are kept, (r,).
        vectors: their eigenvectors as columns, (d, r).

    Example:
        >>> words = np.random.default_rng(0).normal(size=(500, 2)) * [3.0, 1.0]
        >>> made = CausalInnerProduct.of(words)
        >>> dual = made.dual(np.array([1.0, 1.0]))
        >>> bool(dual[1] > 5 * dual[0])
        True
    """

    values: Float[np.ndarray, " r"]
    vectors: Float[np.ndarray, "d r"]

    @classmethod
    def of(cls, unembedding: Any, tol: float = 1e-10) -> CausalInnerProduct:
        """From the unembedding's rows, one a word, (words, d), array or tensor.

        Raises:
            ValueError: fewer than two words, NaN, or words that do not vary.
        """
        rows = np.asarray(to_numpy(unembedding))
        if rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
            raise ValueError(
                "CausalInnerProduct: unembedding must be finite, (words, d), got shape "
                f"{rows.shape}"
            )
        shift = rows.mean(axis=0, dtype=np.float64)
        parts = [Moments.of(rows[i : i + CHUNK] - shift) for i in range(0, len(rows), CHUNK)]
        total = sum(parts[1:], parts[0])
        w, v = np.linalg.eigh(total.scatter / total.n)
        keep = w > tol * float(w[-1])
        if not w[-1] > 0:
            raise ValueError(
                "CausalInnerProduct: all words have the same vector, so they have no covariance"
            )
        return cls(w[keep], v[:, keep])

    @cached_property
    def _inverse(self) -> Float[np.ndarray, "d d"]:
        return (self.vectors / self.values) @ self.vectors.T

    def inner(self, a: Float[np.ndarray, "*n d"], b: Float[np.ndarray, "*m d"]) -> Any:
        """⟨a, b⟩ of vectors or of all rows with all rows."""
        return a @ self._inverse @ np.asarray(b).T

    def cosine(self, a: Float[np.ndarray, " d"], b: Float[np.ndarray, " d"]) -> float:
        """The cosine of two directions among words under the inner product.

        Raises:
            ValueError: a direction along which no word varies.
        """
        below = float(self.inner(a, a) * self.inner(b, b))
        if not below > 0:
            raise ValueError("cosine: no word varies along one of the directions; give another one")
        return float(self.inner(a, b)) / float(np.sqrt(below))

    def dual(self, direction: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
        """Σ⁻¹ γ̄: the direction of states that changes this concept alone, of one direction or of
        each row.

        Raises:
            ValueError: a direction that no word has a part of.
        """
        found = np.asarray(direction, dtype=np.float64) @ self._inverse
        if not (np.linalg.norm(found, axis=-1) > 0).all():
            raise ValueError(
                "dual: no word varies along this direction, so it has no dual; give another "
                "direction"
            )
        return found

    def whitened(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Σ^{-1/2} x: coordinates in which ⟨·, ·⟩ is the ordinary product."""
        return (
            np.asarray(x, dtype=np.float64) @ (self.vectors / np.sqrt(self.values)) @ self.vectors.T
        )


def concept_direction(unembedding: Any, pairs: Any) -> Float[np.ndarray, " d"]:
    """γ̄: mean difference of the unembedding vectors of word pairs.

    Args:
        unembedding: (words, d).
        pairs: (n, 2) word numbers; the concept points from the second to the first.

    Raises:
        ValueError: pairs of another shape, or a number that is no word's.
    """
    index = np.asarray(to_numpy(pairs))
    if index.ndim != 2 or index.shape[1] != 2 or not len(index):
        raise ValueError(
            f"concept_direction: pairs must be (n, 2) word numbers, got shape {index.shape}"
        )
    if index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= len(unembedding):
        raise ValueError(
            f"concept_direction: pairs must be whole numbers from 0 to {len(unembedding) - 1}, the "
            "words"
        )
    rows = np.asarray(to_numpy(unembedding[index.ravel()]), dtype=np.float64).reshape(
        len(index), 2, -1
    )
    return (rows[:, 0] - rows[:, 1]).mean(axis=0)


def leave_one_out(differences: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Each difference of a pair along the direction of the other pairs' mean.

        p_i = δ_i · m_i / ‖m_i‖        m_i = Σ_{j ≠ i} δ_j / (n − 1)        0 where m_i is

    Args:
        differences: of the vectors of word pairs, in coordinates where the inner product is the
            ordinary one (`CausalInnerProduct.whitened`), (n, d).

    Raises:
        ValueError: fewer than two pairs, which leave nothing to project on, or numbers that are
            not finite.

    Reference: Park, Choe and Veitch (2023), arXiv:2311.03658, §4.
    """
    x = np.asarray(differences, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(
            "leave_one_out: differences must be finite, (n, d) with two pairs at least, got shape "
            f"{x.shape}"
        )
    others = (x.sum(axis=0) - x) / (len(x) - 1)
    length = np.linalg.norm(others, axis=1)
    return np.divide((x * others).sum(axis=1), length, out=np.zeros(len(x)), where=length > 0)


def share_direction(
    differences: Float[np.ndarray, "n d"],
    concept: Int[np.ndarray, " n"],
    others: Float[np.ndarray, "m d"],
    quantile: float = 0.95,
) -> Bool[np.ndarray, " k"]:
    """Of each concept, whether its pairs lie along each other's direction further than random pairs
    do, (k,).

        mean_i p_i > quantile of {δ · m / ‖m‖ : δ a random pair}         p_i as in `leave_one_out`, m the concept's mean

    Args:
        differences: of all pairs, in coordinates where the inner product is the ordinary one, (n,
            d).
        concept: of each pair, 0 … k − 1.
        others: differences of random pairs, (m, d).
        quantile: of the random pairs.
    """
    found = []
    for c in range(int(concept.max()) + 1):
        own = differences[concept == c]
        mean = own.mean(axis=0)
        chance = np.quantile(others @ mean / np.linalg.norm(mean), quantile)
        found.append(leave_one_out(own).mean() > chance)
    return np.array(found)


def apart(directions: Float[np.ndarray, "k d"]) -> Float[np.ndarray, " k"]:
    """How little each concept's direction shares with the others: the mean of 1 − |cosine|, (k,).

    Args:
        directions: one a concept, in coordinates where the inner product is the ordinary one.

    Raises:
        ValueError: fewer than two concepts, or a direction that is zero.
    """
    x = np.asarray(directions, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"apart: directions must be (k, d) with two at least, got shape {x.shape}")
    size = np.linalg.norm(x, axis=1, keepdims=True)
    if not (size > 0).all():
        raise ValueError(f"apart: the direction of concept {int(np.argmin(size))} is zero or NaN")
    unit = x / size
    return 1 - (np.abs(unit @ unit.T).sum(axis=1) - 1) / (len(x) - 1)
