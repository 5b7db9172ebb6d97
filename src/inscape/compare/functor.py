"""A functor between two systems of objects and relations: a linear map that carries objects to
objects and relations to relations.

    V = argmin λ Σ_f ‖V M_f − M'_f V‖² + Σ_anchors ‖V v_a − v'_a‖²

Few objects need to be known on both sides, since the relations, which are known by name, fix the
map where no anchor does. Both terms are quadratic in V, so the minimum is the solution of one
linear system. M are matrices of forms vᵀ M v, so that V carries one system exactly into another
only where it is a rotation; `inscape.learn.relation_embedding` learns systems that differ by no
more.

Cost: F (d e)³ for F relations; d and e are small.
Reference: Sheshmani and You (2021), arXiv:2103.14770, §3.1.
"""

from __future__ import annotations

from typing import Any, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float64
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted


class System(NamedTuple):
    """Objects and relations.

    Attributes:
        objects: v, (n, d).
        relations: M, (F, d, d).
    """

    objects: Float64[np.ndarray, "n d"]
    relations: Float64[np.ndarray, "f d d"]


class Functor(BaseEstimator):
    """The map between two systems.

    Args:
        structure: λ; 0 for a map of the anchors alone, the shortest where they leave it open.

    Attributes:
        coef_: V, (e, d).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> one = System(rng.normal(size=(20, 4)), rng.normal(size=(3, 4, 4)))
        >>> turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
        >>> other = System(one.objects @ turn.T, turn @ one.relations @ turn.T)
        >>> bool(np.allclose(Functor().fit(one, other, [[0, 0]]).coef_, turn))
        True
    """

    @no_type_check
    def __init__(self, structure: float = 1.0) -> None:
        self.structure = structure

    def fit(self, first: System, second: System, anchors: Any) -> Functor:
        """Find the map.

        Args:
            first: the system that is carried over.
            second: the other, with the same relations in the same order.
            anchors: pairs of objects that are known to be the same, (k, 2), at least one.

        Raises:
            ValueError: other relations, no anchor or one that is no object, or a negative λ.
        """
        if len(first.relations) != len(second.relations):
            raise ValueError(
                f"Functor: {len(first.relations)} relations and {len(second.relations)}; give the "
                "same relations in the same order"
            )
        pairs = np.asarray(anchors, dtype=np.int64).reshape(-1, 2)
        if not len(pairs):
            raise ValueError("Functor: without an anchor the map that carries all to 0 is best")
        ends = np.array([len(first.objects), len(second.objects)])
        if (pairs < 0).any() or (pairs >= ends).any():
            raise ValueError(
                f"Functor: anchors are pairs of places among {ends[0]} and {ends[1]} objects, and one "
                "is beyond them"
            )
        if self.structure < 0:
            raise ValueError(f"Functor: structure must be at least 0, got {self.structure}")
        own, other = first.objects[pairs[:, 0]], second.objects[pairs[:, 1]]
        d, e = own.shape[1], other.shape[1]
        rows = [np.kron(np.eye(e), own)]
        for m, n in zip(first.relations, second.relations, strict=True):
            moved = np.kron(np.eye(e), m.T) - np.kron(n, np.eye(d))
            rows.append(np.sqrt(self.structure) * moved)
        known = np.concatenate([other.T.ravel(), np.zeros(len(first.relations) * d * e)])
        self.coef_ = np.linalg.lstsq(np.concatenate(rows), known, rcond=None)[0].reshape(e, d)
        return self

    def transform(self, objects: Float64[np.ndarray, "m d"]) -> Float64[np.ndarray, "m e"]:
        """Objects of the first system in the space of the second."""
        check_is_fitted(self)
        return objects @ self.coef_.T


def functor_residual(first: System, second: System, v: Float64[np.ndarray, "e d"]) -> float:
    """How far a map is from carrying relations to relations,
    ``Σ ‖V M − M' V‖² / Σ (‖V M‖² + ‖M' V‖²)``.

    Args:
        first: the system that is carried over.
        second: the other.
        v: the map.

    Returns:
        0 for a functor, about 1 for maps that have nothing to do with the relations, at most 2. The
        size of V does not matter.

    Raises:
        ValueError: a map that carries every relation to 0.
    """
    before, after = v @ first.relations, second.relations @ v
    whole = float((before**2).sum() + (after**2).sum())
    if not whole > 0:
        raise ValueError("functor_residual: the map carries every relation to 0")
    return float(((before - after) ** 2).sum()) / whole
