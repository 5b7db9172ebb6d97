"""MEXA: how often a text is nearest to its own translation among all translations, in both
directions.

    aligned_i = cos(x_i, y_i) > max over j ≠ i of cos(x_i, y_j) and of cos(x_j, y_i)        MEXA = mean of aligned_i

Chance is 1/(2n − 1) for n pairs: one cosine of 2n − 1 is the largest. Numbers of different n are
not comparable.

A text's vector is the mean of its states weighted by position, so that late tokens, which have read
more, count more:

    x = Σ_t t h_t / Σ_t t,   t = 0, 1, …

The authors begin at 1, at the token that begins every text; where there is none, the first word is
an attention sink, whose state is a hundred times as long as the others' and would be most of the
mean. Cost: n² d. Reference: Kargaran et al. (2024), MEXA, arXiv:2410.05873, eq. 1 and §3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inscape.core.item_rows import checked_rows, unit_rows


def weighted_mean(
    h: Float[Tensor, "b p d"], lengths: Int[np.ndarray, " b"]
) -> Float[Tensor, "b d"]:
    """Mean of every text's states weighted by position, the first token left out.

    Args:
        h: states, padded on the right.
        lengths: tokens of each text, at least two.

    Raises:
        ValueError: a text of one token.

    Example:
        >>> weighted_mean(torch.tensor([[[9.0], [1.0], [4.0], [7.0]]]), np.array([3])).tolist()
        [[3.0]]
    """
    if (np.asarray(lengths) < 2).any():
        raise ValueError("weighted_mean: a text of one token has no token but the first")
    place = torch.arange(h.shape[1], device=h.device, dtype=torch.float64)
    real = place < torch.as_tensor(lengths, device=h.device)[:, None]
    weight = place * real
    return (weight[..., None] * h.double()).sum(dim=1) / weight.sum(dim=1, keepdim=True)


def mexa(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
    """Which pairs are aligned; the score is the mean.

    Args:
        x: texts in one language, one row each.
        y: their translations, in the same order.

    Raises:
        ValueError: fewer than two pairs, sides of other shapes, or numbers that are not finite.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> mexa(x, x).tolist(), mexa(x, x[::-1]).tolist()
        ([True, True], [False, False])
    """
    if len(x) < 2 or x.shape != y.shape:
        raise ValueError(
            f"mexa: needs two pairs or more of one width, got shapes {x.shape} and {y.shape}"
        )
    a, b = (unit_rows(checked_rows(z, "mexa: a side")) for z in (x, y))
    cosine = a @ b.T
    own = np.diag(cosine).copy()
    np.fill_diagonal(cosine, -np.inf)
    return own > np.maximum(cosine.max(axis=0), cosine.max(axis=1))


class Aligned(NamedTuple):
    """Which texts of each language are aligned with their translation, layer by layer.

    Attributes:
        cells: (language, layer) → one value for each translation, (n,).
        rows: row of each translation among the texts, in that order.
        chance: the share that is aligned by chance.
    """

    cells: dict[tuple[str, int], Bool[np.ndarray, " n"]]
    rows: Int[np.ndarray, " n"]
    chance: float


def mexa_by_layer(
    layers: Float[np.ndarray, "layers texts d"] | Sequence[Float[np.ndarray, "texts d"]],
    content: Sequence[Any] | np.ndarray,
    language: Sequence[Any] | np.ndarray,
    pivot: str,
) -> Aligned:
    """`mexa` of every other language with one of them, at every layer.

    Args:
        layers: a row for each text, at each layer.
        content: what each text says; every language says all of it once.
        language: of each text; others come out in the order of their first texts.
        pivot: the language that the others are compared with.

    Raises:
        ValueError: no text is in the pivot's language, or a language that does not say what the
            pivot says, all of it once.
    """
    order = np.argsort(np.asarray(content), kind="stable")
    spoken = np.asarray(language)[order]
    by = {str(name): order[spoken == name] for name in dict.fromkeys(spoken)}
    if pivot not in by:
        raise ValueError(f"mexa_by_layer: no text is in {pivot!r}; there are {', '.join(by)}")
    rows = by.pop(pivot)
    said = np.asarray(content)
    for name, own in by.items():
        if len(own) != len(rows) or not (said[own] == said[rows]).all():
            raise ValueError(
                f"mexa_by_layer: the {len(own)} texts in {name!r} do not say what the {len(rows)} in "
                f"{pivot!r} say, each once; leave out what one of them lacks"
            )
    cells = {
        (name, i): mexa(x[own], x[rows]) for i, x in enumerate(layers) for name, own in by.items()
    }
    return Aligned(cells, rows, 1 / (2 * len(rows) - 1))
