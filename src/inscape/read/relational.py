"""Linear relational embeddings: a relation as one affine map from a subject's state to the
object's.

    LRE(s) = β W s + b,   W = mean_i J_i,   b = mean_i (o_i − J_i s_i)

with J_i = ∂o/∂s at a few subjects (`inscape.read.subject_jacobian`). The gain β makes up for what
averaging and the final norm take from W. Inverted, the map says how a subject must change for
another object to follow:

    Δs = W†_r (o′ − o),   W†_r the pseudo-inverse of the r largest singular values

Beside it stand the maps it must beat: a translation s + mean(o − s), least squares on as many
examples, and W with the same singular values in random directions. Cost: one singular value
decomposition, d³; float64.

Reference: Hernandez et al. (2023), Linearity of relation decoding in transformer language models,
arXiv:2308.09124, §3–4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float

from inscape.core import ridge


@dataclass(frozen=True, eq=False)
class AffineRelation:
    """An affine map from subjects' to objects' states.

    Attributes:
        weight: W, (k, d).
        bias: b, (k,).
        beta: gain on W, positive; the inverse does not use it.
    """

    weight: Float[np.ndarray, "k d"]
    bias: Float[np.ndarray, " k"]
    beta: float = 1.0

    def __call__(self, s: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
        """Objects' states for subjects' states."""
        return self.beta * (s.astype(np.float64) @ self.weight.T) + self.bias

    def with_beta(self, beta: float) -> AffineRelation:
        """The same map with another gain.

        Raises:
            ValueError: a gain that is not positive.
        """
        if not beta > 0:
            raise ValueError(f"AffineRelation: beta must be positive, got {beta}")
        return replace(self, beta=float(beta))

    @cached_property
    def _svd(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.linalg.svd(self.weight.astype(np.float64), full_matrices=False)

    @property
    def rank(self) -> int:
        """Singular values of W above rounding."""
        s = self._svd[1]
        return int(
            (s > max(self.weight.shape) * np.finfo(np.float64).eps * s.max(initial=0.0)).sum()
        )

    def inverse(self, rank: int) -> Float[np.ndarray, "d k"]:
        """Pseudo-inverse of W cut to its largest singular values.

        Raises:
            ValueError: a rank below 1 or above that of W.
        """
        u, s, v = self._cut(rank)
        return (v.T / s) @ u.T

    def shift(self, towards: Float[np.ndarray, "n k"], rank: int) -> Float[np.ndarray, "n d"]:
        """Changes of the subject for these changes o′ − o of the object: ``W†_r (o′ − o)``."""
        u, s, v = self._cut(rank)
        return (towards.astype(np.float64) @ u / s) @ v

    def _cut(self, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if not 1 <= rank <= self.rank:
            raise ValueError(
                f"AffineRelation.inverse: rank must be between 1 and that of W, {self.rank}; got "
                f"{rank}"
            )
        u, s, v = self._svd
        return u[:, :rank], s[:rank], v[:rank]

    def randomised(self, *, rng: np.random.Generator) -> AffineRelation:
        """The same singular values in random directions: what a map of this size and rank does that
        knows nothing.
        """
        _, s, _ = self._svd
        k, d = self.weight.shape
        u, v = (np.linalg.qr(rng.normal(size=(size, len(s))))[0] for size in (k, d))
        return replace(self, weight=(u * s) @ v.T)


def mean_relation(
    jacobians: Float[np.ndarray, "n k d"],
    states: Float[np.ndarray, "n d"],
    outputs: Float[np.ndarray, "n k"],
) -> AffineRelation:
    """The linear relational embedding of a few linearised prompts, with β = 1.

    Args:
        jacobians: ∂o/∂s of each prompt.
        states: its subject's state.
        outputs: its last token's state.

    Example:
        >>> s, w = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 3.0]])
        >>> mean_relation(np.stack([w, w]), s, s @ w.T + 1)(np.array([[1.0, 1.0]])).tolist()
        [[3.0, 4.0]]
    """
    j = jacobians.astype(np.float64)
    rest = outputs.astype(np.float64) - np.einsum("nkd,nd->nk", j, states.astype(np.float64))
    return AffineRelation(j.mean(axis=0), rest.mean(axis=0))


def translation(
    states: Float[np.ndarray, "n d"], outputs: Float[np.ndarray, "n d"]
) -> AffineRelation:
    """``s + mean(o − s)``: the relation as one shift of every subject."""
    b = (outputs.astype(np.float64) - states).mean(axis=0)
    return AffineRelation(np.eye(states.shape[1]), b)


def least_squares(
    states: Float[np.ndarray, "n d"],
    outputs: Float[np.ndarray, "n k"],
    alphas: tuple[float, ...] = ridge.ALPHAS,
) -> AffineRelation:
    """The ridge map fitted on the examples themselves, one penalty for all outputs chosen by
    leave-one-out.

    Raises:
        ValueError: fewer than three examples.
    """
    if len(states) < 3:
        raise ValueError(f"least_squares: needs at least three examples, got {len(states)}")
    basis = ridge.Rows(states).basis()
    found = ridge.fit(basis, outputs.astype(np.float64), alphas, shared=True)
    weight = (basis.v @ found.coef).T
    return AffineRelation(weight, found.mean - weight @ basis.mean)
