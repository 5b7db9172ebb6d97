"""Retrieval of unseen classes: an alignment of texts with items is learnt on some classes and asked
to name items of the others among all texts.

    share of a class's items, while it was unseen, whose right text is among the first K of all

Chance is about K / classes, but not quite: a probe that favours the texts it was trained on is
below, one that avoids them above. So hold it against texts that are permuted among classes, many
problems at a time.

Cost: folds · that of the alignment.
Reference: Ngo and Kim (2024), arXiv:2402.16998, §2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA

from inscape.compare.contrastive_alignment import among_first
from inscape.compare.procrustes import Procrustes
from inscape.core.folds import Fold


class RotatedAlignment(BaseEstimator):
    """The alignment with next to nothing to learn: a rotation of the means of classes onto their
    texts, as `inscape.compare.Procrustes` finds it.

    Example:
        >>> texts = np.random.default_rng(0).normal(size=(1, 8, 3))
        >>> items = texts[0] @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
        >>> made = RotatedAlignment().fit(texts, items, np.arange(8))
        >>> made.scores(texts, items).argmax(-1).tolist()
        [[0, 1, 2, 3, 4, 5, 6, 7]]
    """

    def fit(
        self,
        texts: Float[np.ndarray, "k c e"],
        items: Float[np.ndarray, "n d"],
        classes: Int[np.ndarray, " n"],
    ) -> RotatedAlignment:
        """Find the rotation of every problem; arguments as in
        `inscape.compare.ContrastiveAlignment`.
        """
        means = np.stack([items[classes == c].mean(axis=0) for c in range(texts.shape[1])])
        self.rotations_ = [Procrustes().fit(means, own) for own in texts]
        self.middles_ = texts.mean(axis=1, keepdims=True)
        return self

    def scores(
        self, texts: Float[np.ndarray, "k c e"], items: Float[np.ndarray, "m d"]
    ) -> Float64[np.ndarray, "k m c"]:
        """Cosine of every rotated item with every text, both about the fitted texts' mean."""
        moved = np.stack([r.transform(items) for r in self.rotations_]) - self.middles_
        one, two = (
            side / np.linalg.norm(side, axis=2, keepdims=True)
            for side in (moved, texts - self.middles_)
        )
        return np.asarray(one @ two.swapaxes(1, 2))


def unseen_found(
    texts: Float[np.ndarray, "k c e"],
    items: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    folds: Sequence[Fold],
    alignment: Any,
    *,
    first: int = 5,
    rank: int = 32,
) -> Float64[np.ndarray, "k c"]:
    """How often items of each class are named while it is unseen, problem by problem.

    Args:
        texts: of every class; problems differ in these alone.
        items: pictures, sounds; reduced here to principal components of the seen classes' items.
        classes: of each item, by its place among the texts.
        folds: seen and unseen classes; a class that is unseen in several counts their mean.
        alignment: has ``fit`` and ``scores``, as `inscape.compare.ContrastiveAlignment`.
        first: K.
        rank: principal components of the items.

    Returns:
        Shares; NaN for a class that is never unseen.

    Example:
        >>> from inscape.core.folds import random_folds
        >>> rng = np.random.default_rng(0)
        >>> texts, own = rng.normal(size=(1, 20, 3)), np.arange(20).repeat(2)
        >>> folds = random_folds(20, 4, rng=rng)
        >>> unseen_found(texts, texts[0, own], own, folds, RotatedAlignment(), first=1).mean().item()
        1.0
    """
    hits, times = np.zeros(texts.shape[:2]), np.zeros(texts.shape[1])
    for seen, unseen in ((np.sort(a), b) for a, b in folds):
        here = np.isin(classes, seen)
        pca = PCA(min(rank, items.shape[1], int(here.sum())), random_state=0).fit(items[here])
        made = pca.transform(items)
        made /= made[here].std()
        fitted = clone(alignment).fit(
            texts[:, seen], made[here], np.searchsorted(seen, classes[here])
        )
        right = among_first(fitted.scores(texts, made[~here]), classes[~here], first)
        for c in unseen:
            hits[:, c] += right[:, classes[~here] == c].mean(axis=1)
        times[unseen] += 1
    return np.divide(hits, times, out=np.full_like(hits, np.nan), where=times > 0)
