"""Whether a vector, or what a probe reads, is one coordinate and little else.

    share of a vector        max_j v_j² / Σ v_j²
    share of predictions     max_j corr(ŷ, x_j)²

A few coordinates of a transformer's stream are hundreds of times larger than the rest, at the first
token above all (an attention sink). A difference of means that holds them is one coordinate by
nearly all of its length: it destroys a text when added, and a score along it tells how often the
sink was averaged in. Above one half it is said.

Cost: n d t for predictions of t targets. Reference: Sun et al. (2024), Massive activations,
arXiv:2402.17762.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

#: the share above which it is said
HALF = 0.5
#: widths below this have no small parts
NARROW = 16

_WHY = "as where an attention sink or an outlier is averaged in; see which token it comes from"


def of_vector(v: Float[np.ndarray, " d"]) -> tuple[int, float]:
    """The largest coordinate and its share of the squared length; 0 for a vector of zeros.

    Example:
        >>> of_vector(np.array([1.0, -3.0, 0.0]))
        (1, 0.9)
    """
    squares = np.asarray(v, dtype=np.float64) ** 2
    j, total = int(squares.argmax()), float(squares.sum())
    return j, float(squares[j] / total) if total > 0 else 0.0


def of_predictions(
    x: Float[np.ndarray, "n d"], predictions: Float[np.ndarray, "n t"]
) -> list[tuple[int, float]]:
    """For each target the coordinate that its predictions follow most, and the share of their
    variance that it explains.

    Example:
        >>> rows = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [3.0, 1.0]])
        >>> of_predictions(rows, 5 * rows[:, :1] + 1)
        [(0, 1.0)]
    """
    ours, theirs = (np.asarray(a, dtype=np.float64) for a in (x, predictions))
    ours, theirs = ours - ours.mean(axis=0), theirs - theirs.mean(axis=0)
    size = np.einsum("nd,nd->d", ours, ours)[:, None] * np.einsum("nt,nt->t", theirs, theirs)
    found = np.divide((ours.T @ theirs) ** 2, size, out=np.zeros_like(size), where=size > 0)
    best = found.argmax(axis=0)
    return [(int(j), round(float(found[j, t]), 12)) for t, j in enumerate(best)]


def vector_warning(v: Float[np.ndarray, " d"], name: str) -> str | None:
    """A sentence where a vector is one coordinate by more than half of its squared length; None
    elsewhere.
    """
    coordinate, share = of_vector(v)
    if len(v) < NARROW or share <= HALF:
        return None
    return f"{share:.0%} of the squared length of {name} is coordinate {coordinate} alone, {_WHY}."


def probe_warnings(
    x: Float[np.ndarray, "n d"], predictions: Float[np.ndarray, "n t"], name: str
) -> list[str | None]:
    """For each target a sentence where one coordinate explains more than half of what is predicted;
    None elsewhere.
    """
    if x.shape[1] < NARROW:
        return [None] * predictions.shape[1]
    return [
        (
            f"Coordinate {j} of {name} alone explains {share:.0%} of the variance of what the "
            f"probe predicts, {_WHY}."
        )
        if share > HALF
        else None
        for j, share in of_predictions(x, predictions)
    ]
