"""Linear relational concepts: a direction of the subject's state for each object, by inverting a
relation's map.

    v_o = W†_r (ō_o − b) / ‖·‖,   ō_o the mean state of the prompts whose object is o

A subject is classified by the direction it lies furthest along, argmax_o v_o · s; an edit swaps one
concept for another, s + α ‖s‖ (v_new − v_old). States of the object before the last layers invert
better: there they are not yet words.

Cost: one singular value decomposition (in `AffineRelation`).
Reference: Chanin, Hunter and Camburu (2024), Identifying linear relational concepts in large
language models, arXiv:2311.08968, §3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from sklearn.svm import LinearSVC

from inscape.read.relational import AffineRelation


@dataclass(frozen=True, eq=False)
class Concepts:
    """One unit direction for each object.

    Attributes:
        directions: (objects, d).
    """

    directions: Float[np.ndarray, "objects d"]

    def __post_init__(self) -> None:
        if not np.allclose(np.linalg.norm(self.directions, axis=1), 1.0, atol=1e-6):
            raise ValueError("Concepts: directions must be unit vectors; divide each by its norm")

    def scores(self, s: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n objects"]:
        """How far each subject lies along each direction."""
        return s.astype(np.float64) @ self.directions.T

    def predict(self, s: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        """The object of each subject."""
        return self.scores(s).argmax(axis=1)

    def swap(self, old: int, new: int, size: float) -> Float[np.ndarray, " d"]:
        """What to add to a subject's state for the object `new` instead of `old`: a vector of that
        length.

        Raises:
            ValueError: the two are the same object, or their directions are.
        """
        step = self.directions[new] - self.directions[old]
        norm = float(np.linalg.norm(step))
        if norm < 1e-12:
            raise ValueError(
                f"Concepts.swap: objects {old} and {new} have one direction, so there is nothing "
                "to swap"
            )
        return step * (size / norm)


def relational_concepts(
    relation: AffineRelation,
    outputs: Float[np.ndarray, "n k"],
    objects: Int[np.ndarray, " n"],
    rank: int,
) -> Concepts:
    """Concept directions from a relation and the object states of some prompts.

    Args:
        relation: the map, its bias included.
        outputs: object states of prompts with known objects.
        objects: the object of each, 0 … objects − 1, each at least once.
        rank: of the inverse.

    Raises:
        ValueError: an object without a prompt; a rank that W does not have.
    """
    count = _count(objects, len(outputs), "relational_concepts")
    mean = np.stack([outputs[objects == o].mean(axis=0) for o in range(count)]).astype(np.float64)
    return unit_directions(relation.shift(mean - relation.bias, rank))


def mean_concepts(states: Float[np.ndarray, "n d"], objects: Int[np.ndarray, " n"]) -> Concepts:
    """The difference of each object's mean subject state from the mean of all: directions without a
    relation; raises as `relational_concepts`."""
    count = _count(objects, len(states), "mean_concepts")
    mean = np.stack([states[objects == o].mean(axis=0, dtype=np.float64) for o in range(count)])
    return unit_directions(mean - states.mean(axis=0, dtype=np.float64))


def plain_concepts(states: Float[np.ndarray, "n d"], objects: Int[np.ndarray, " n"]) -> Concepts:
    """Each object's mean subject state: directions that share the mean of all; raises as
    `relational_concepts`."""
    count = _count(objects, len(states), "plain_concepts")
    mean = [states[objects == o].mean(axis=0, dtype=np.float64) for o in range(count)]
    return unit_directions(np.stack(mean))


def svm_concepts(states: Float[np.ndarray, "n d"], objects: Int[np.ndarray, " n"]) -> Concepts:
    """The weights of a linear SVM without intercept, one object against the rest."""
    scale = float(np.sqrt((states**2).mean()))
    svm = LinearSVC(C=0.1, fit_intercept=False, max_iter=20000, random_state=0)
    coef = svm.fit(states / scale, objects).coef_
    return unit_directions(np.vstack([-coef, coef]) if len(coef) == 1 else coef)


def unit_directions(rows: Float[np.ndarray, "objects d"]) -> Concepts:
    """Rows over their norms.

    Raises:
        ValueError: a row of zeros, or numbers that are not finite.
    """
    if not np.isfinite(rows).all():
        raise ValueError("unit_directions: a row holds NaN or infinite numbers")
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    if (norm == 0).any():
        raise ValueError(
            f"unit_directions: row {int(np.argmin(norm))} is zero and has no direction"
        )
    return Concepts(rows / norm)


def _count(objects: np.ndarray, n: int, caller: str) -> int:
    """How many objects there are: 0 … k − 1, each of one prompt or more."""
    count = int(objects.max(initial=-1)) + 1
    if len(objects) != n or (objects < 0).any():
        raise ValueError(f"{caller}: give the object of each of the {n} prompts, 0 or more")
    if missing := set(range(count)) - set(objects.tolist()):
        raise ValueError(
            f"{caller}: no prompt has object {min(missing)}; number the objects without gaps"
        )
    return count
