"""Zero-shot naming: pictures that lie in a space of texts are named, and found, by texts alone.

    concept of a class      c = mean of the unit texts that say it, at unit length
    name of a picture       argmax over classes of cos(z, c)
    score for several       Σ over concepts of (cos(z, c) − mean) / sd         mean, sd: of all pictures

Standardised, because concepts differ in how near everything is to them: the sum would otherwise be
decided by the one whose cosines vary most.

Cost: n k d.
Reference: Radford et al. (2021), arXiv:2103.00020, §3.1.4 (texts of a class averaged); Moayeri et
al. (2023), arXiv:2305.06386, §4 (several concepts at once).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from inscape.compare.translation import cosines


def concept_directions(
    texts: Float[np.ndarray, "t d"], classes: Int[np.ndarray, " t"], count: int
) -> Float64[np.ndarray, "k d"]:
    """The direction of each class.

    Args:
        texts: vectors of texts, none of length zero.
        classes: which class each text says, 0 … k − 1.
        count: k.

    Raises:
        ValueError: a class that no text says or that is not among the k, a text of length zero, or
            texts of one class that cancel out.

    Example:
        >>> texts = np.array([[2.0, 0.0], [0.0, 5.0], [0.0, -3.0]])
        >>> concept_directions(texts, np.array([0, 1, 0]), 2).round(3).tolist()
        [[0.707, -0.707], [0.0, 1.0]]
    """
    missing = sorted(set(range(count)) - set(np.asarray(classes).tolist()))
    if missing:
        raise ValueError(f"concept_directions: no text says the class {missing[0]}")
    if beyond := sorted(set(np.asarray(classes).tolist()) - set(range(count))):
        raise ValueError(f"concept_directions: class {beyond[0]} is not one of 0 … {count - 1}")
    size = np.linalg.norm(texts, axis=1, keepdims=True)
    if not (size > 0).all():
        raise ValueError("concept_directions: a text is zero and has no direction; leave it out")
    unit = texts / size
    means = np.stack([unit[classes == c].mean(axis=0) for c in range(count)])
    if not (np.linalg.norm(means, axis=1) > 1e-12).all():
        raise ValueError(
            "concept_directions: the texts of a class cancel out, and leave no direction"
        )
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def named_above_chance(
    z: Float[np.ndarray, "n d"], concepts: Float[np.ndarray, "k d"], classes: Int[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Whether the nearest concept is the right one, on a scale where a guess gives 0 on average.

    Args:
        z: pictures in the space of the texts.
        concepts: of `concept_directions`.
        classes: the right one.

    Returns:
        ``(hit − 1/k) / (1 − 1/k)`` of each picture: 1, or −1/(k − 1).

    Raises:
        ValueError: fewer than two concepts, or a class without one.

    Example:
        >>> z = np.array([[3.0, 1.0], [3.0, 1.0]])
        >>> named_above_chance(z, np.eye(2), np.array([0, 1])).tolist()
        [1.0, -1.0]
    """
    if len(concepts) < 2 or not ((classes >= 0) & (classes < len(concepts))).all():
        raise ValueError(
            f"named_above_chance: needs two concepts or more, and one for each class, got "
            f"{len(concepts)}"
        )
    chance = 1 / len(concepts)
    hit = cosines(z, concepts).argmax(axis=1) == classes
    return (hit - chance) / (1 - chance)


def attributes_named(
    z: Float[np.ndarray, "n d"],
    concepts: Sequence[Float[np.ndarray, "_ d"]],
    classes: Int[np.ndarray, "n a"],
) -> Float64[np.ndarray, " n"]:
    """`named_above_chance`, the mean over several attributes of a picture: shape, colour.

    Args:
        z: pictures in the space of the texts.
        concepts: of each attribute.
        classes: the right one of each attribute.

    Example:
        >>> z = np.array([[2.0, 1.0]])
        >>> attributes_named(z, [np.eye(2), -np.eye(2)], np.array([[0, 0]])).tolist()
        [0.0]
    """
    pairs = zip(concepts, classes.T, strict=True)
    return np.mean([named_above_chance(z, own, right) for own, right in pairs], axis=0)


def joint_scores(
    z: Float[np.ndarray, "n d"], *concepts: Float[np.ndarray, "_ d"]
) -> Float64[np.ndarray, n * k]:
    """How well each picture fits every combination of one concept from each set.

    Args:
        z: the pictures that are searched, in the space of the texts.
        concepts: sets of directions, such as those of shapes and those of colours.

    Returns:
        The sum of the standardised cosines, with an axis for each set.

    Raises:
        ValueError: a concept to which all pictures are equally near.

    Example:
        >>> z = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, -1.0]])
        >>> joint_scores(z, np.eye(2)[:1], np.eye(2)[1:])[:, 0, 0].argmax().item()
        2
    """
    near = [cosines(z, own) for own in concepts]
    if min(float(side.std(axis=0).min()) for side in near) == 0:
        raise ValueError("joint_scores: all pictures are equally near to one of the concepts")
    standard = [(side - side.mean(axis=0)) / side.std(axis=0) for side in near]
    return reduce(lambda a, b: a[..., None] + np.expand_dims(b, tuple(range(1, a.ndim))), standard)


def combinations_there(
    classes: Int[np.ndarray, "n a"], counts: Sequence[int]
) -> tuple[Bool[np.ndarray, "n q"], Bool[np.ndarray, ...]]:
    """Which pictures show each combination of attributes, for the combinations that some picture
    shows: what a query for several concepts at once should find.

    Args:
        classes: of each attribute of each picture, such as its shape and its colour.
        counts: how many classes each attribute has.

    Returns:
        Which pictures show each of the q combinations; and which combinations those are, with an
        axis for each attribute, as `joint_scores` has them: ``joint_scores(…)[:, there]`` are their
        scores.

    Raises:
        ValueError: another number of attributes than of counts, or a class that is not among its
            attribute's.

    Example:
        >>> right, there = combinations_there(np.array([[0, 1], [1, 0], [0, 1]]), (2, 2))
        >>> right.tolist(), there.tolist()
        ([[True, False], [False, True], [True, False]], [[False, True], [True, False]])
    """
    of_pictures = np.asarray(classes)
    attributes = of_pictures.shape[1]
    if attributes != len(counts):
        raise ValueError(
            f"combinations_there: classes of {attributes} attributes and counts of {len(counts)}; "
            "give one count for each attribute"
        )
    if not ((of_pictures >= 0) & (of_pictures < np.asarray(counts))).all():
        raise ValueError(
            f"combinations_there: classes of an attribute go from 0 to its count less one, with "
            f"counts {tuple(counts)}"
        )
    shown = np.zeros((len(of_pictures), *counts), dtype=bool)
    shown[np.arange(len(of_pictures)), *of_pictures.T] = True
    there = shown.any(axis=0)
    return shown[:, there], there


def precision_at(
    scores: Float[np.ndarray, "n q"], right: Bool[np.ndarray, "n q"], k: int
) -> Float64[np.ndarray, " q"]:
    """Share of the k items with the highest score that are right, for each of q queries.

    Args:
        scores: of every item.
        right: which items a query should find.
        k: how many are looked at.

    Raises:
        ValueError: k outside 1 … n, or a score that is NaN.

    Example:
        >>> scores = np.array([[0.9], [0.1], [0.5]])
        >>> precision_at(scores, np.array([[True], [True], [False]]), 2).tolist()
        [0.5]
    """
    if not 1 <= k <= len(scores):
        raise ValueError(f"precision_at: k must be between 1 and {len(scores)}, the items, got {k}")
    if np.isnan(scores).any():
        raise ValueError("precision_at: scores hold NaN, which has no place; leave those items out")
    first = np.argsort(-scores, axis=0, kind="stable")[:k]
    return np.take_along_axis(right, first, axis=0).mean(axis=0)
