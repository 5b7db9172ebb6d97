"""Contrast pairs: a statement said to be so and said not to be so, and the direction in which the
two differ.

    x̃⁺ = (x⁺ − μ⁺)/σ⁺     x̃⁻ = (x⁻ − μ⁻)/σ⁻        each side by its own mean and scale, from training pairs
    direction = first principal component of x̃⁺ − x̃⁻    or, with labels, the difference of their class means

Each side is normalised by itself, because otherwise whatever tells a "yes" from a "no" at the end
of a text is the largest difference there is. Without labels the sign of a direction is open: it is
fixed on training pairs where labels are given, and left as found where they are not.

Reference: Burns et al. (2022), Discovering latent knowledge in language models without supervision,
arXiv:2212.03827, §3 and appendix (the principal component of differences).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from inscape.core.arrays import to_numpy


@dataclass(frozen=True)
class Sides:
    """How each side is normalised.

    Attributes:
        mean: of the positive and the negative side, (2, d).
        scale: root-mean-square norm of the centred rows over √d, (2,); 1 where a side never varies.
    """

    mean: Float[np.ndarray, "2 d"]
    scale: Float[np.ndarray, " 2"]

    @classmethod
    def of(cls, positive: Float[np.ndarray, "n d"], negative: Float[np.ndarray, "m e"]) -> Sides:
        """Mean and scale of either side of training pairs.

        Raises:
            ValueError: sides of different shape, fewer than two pairs, or numbers that are not
                finite.
        """
        if positive.shape != negative.shape or positive.ndim != 2 or len(positive) < 2:
            raise ValueError(
                "contrast pairs: both sides must have one shape (n, d), n ≥ 2, got "
                f"{positive.shape} and {negative.shape}"
            )
        sides = [np.asarray(s, dtype=np.float64) for s in (positive, negative)]
        if not all(np.isfinite(s).all() for s in sides):
            raise ValueError(
                "contrast pairs: a side holds NaN or infinite numbers; leave those pairs out"
            )
        mean = np.stack([s.mean(axis=0) for s in sides])
        scale = np.array([np.sqrt(((s - m) ** 2).mean()) for s, m in zip(sides, mean, strict=True)])
        return cls(mean, np.where(scale > 1e-12, scale, 1.0))

    def apply(
        self, positive: Float[np.ndarray, "n d"], negative: Float[np.ndarray, "n d"]
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]:
        """Pairs, each side centred and scaled."""
        return (positive - self.mean[0]) / self.scale[0], (negative - self.mean[1]) / self.scale[1]


@dataclass(frozen=True)
class PairDirection:
    """A direction in which the sides of a pair differ.

    Attributes:
        sides: how each side is normalised.
        coef: unit direction, (d,).
        threshold: where the two classes of pairs part.
    """

    sides: Sides
    coef: Float[np.ndarray, " d"]
    threshold: float

    def scores(
        self, positive: Float[np.ndarray, "n d"], negative: Float[np.ndarray, "n d"]
    ) -> Float[np.ndarray, " n"]:
        """How much more the positive side lies along the direction, above the threshold."""
        up, down = self.sides.apply(positive, negative)
        return (up - down) @ self.coef - self.threshold


def pair_direction(
    positive: Float[np.ndarray, "n d"],
    negative: Float[np.ndarray, "n d"],
    y: np.ndarray | None = None,
    *,
    supervised: bool = True,
) -> PairDirection:
    """The direction of the differences.

    Args:
        positive: training rows of the statement said to be so.
        negative: the same said not to be so.
        y: 1 where the statement is so, else 0; None for no labels.
        supervised: with labels, take the difference of the class means; else the first principal
            component, whose sign and threshold the labels fix where there are any.

    Returns:
        The direction.

    Raises:
        ValueError: sides of different shape, or labels of one class or other than 0 and 1.
    """
    sides = Sides.of(positive, negative)
    up, down = sides.apply(positive, negative)
    gap = up - down
    y = None if y is None else ends_named(y, len(positive), "pair_direction")
    if y is not None and len(np.unique(y)) != 2:
        raise ValueError("pair_direction: y must hold both classes, or be left out")
    if y is not None and supervised:
        line = gap[y == 1].mean(axis=0) - gap[y == 0].mean(axis=0)
    else:
        line = np.linalg.svd(gap - gap.mean(axis=0), full_matrices=False)[2][0]
    size = np.linalg.norm(line)
    line = line / size if size > 0 else line
    along, threshold = gap @ line, 0.0
    if y is not None:
        high, low = along[y == 1].mean(), along[y == 0].mean()
        sign = -1.0 if high < low else 1.0
        line, threshold = sign * line, sign * float(high + low) / 2
    return PairDirection(sides, line, threshold)


def ends_named(y: Any, n: int, caller: str) -> np.ndarray:
    """Labels of pairs: 1 where a statement is so, else 0.

    Raises:
        ValueError: not one for each pair, or other values, which would name neither end.
    """
    labels = np.asarray(to_numpy(y))
    if labels.shape != (n,) or labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"{caller}: y must hold 1 or 0 for each of the {n} pairs (1 where the statement is so), "
            f"got shape {labels.shape}"
        )
    return labels
