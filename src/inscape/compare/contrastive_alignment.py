"""Are names and sounds alike up to two linear maps? Learnt on some classes, asked of others.

    L = mean over sounds i of ( −s(t_c, a_i)/τ + log Σ_{c′} exp(s(t_c′, a_i)/τ) ) + λ (‖U‖² + ‖V‖²),    c: class of i
    s: cosine of U t and V a,    c′: all classes that are learnt from

A map between a few dozen classes fits anything, so what counts is the retrieval of *unseen*
classes among all names, held against names that are permuted before the maps are learnt. Many
problems that differ in their texts alone (permutations, language models) are learnt at once, each
as it would be alone. Give principal components: the maps have d + e numbers for each dimension.

Cost: steps · problems · (n d w + n c w).
Reference: Ngo and Kim (2024), What do language models hear?, arXiv:2402.16998, eq. 1.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F


class ContrastiveAlignment(BaseEstimator):
    """Two linear maps into one space.

    Args:
        width: dimensions of that space.
        temperature: τ.
        penalty: λ.
        steps: of Adam on all sounds at once.
        rate: its learning rate.
        seed: of the maps' initial values, which are the same for every problem.

    Attributes:
        text_map_: U of every problem, (k, e, w).
        sound_map_: V of every problem, (k, d, w).

    Example:
        >>> texts = np.random.default_rng(0).normal(size=(1, 8, 4))
        >>> classes = np.arange(8).repeat(3)
        >>> found = ContrastiveAlignment(4).fit(texts, texts[0, classes], classes)
        >>> found.scores(texts, texts[0]).argmax(-1).tolist()
        [[0, 1, 2, 3, 4, 5, 6, 7]]
    """

    @no_type_check
    def __init__(
        self,
        width: int = 16,
        *,
        temperature: float = 0.1,
        penalty: float = 1e-3,
        steps: int = 150,
        rate: float = 0.02,
        seed: int = 0,
    ) -> None:
        self.width = width
        self.temperature = temperature
        self.penalty = penalty
        self.steps = steps
        self.rate = rate
        self.seed = seed

    def fit(
        self,
        texts: Float[np.ndarray, "k c e"],
        sounds: Float[np.ndarray, "n d"],
        classes: Int[np.ndarray, " n"],
    ) -> ContrastiveAlignment:
        """Learn the maps.

        Args:
            texts: the name of each class in every problem; sides are taken as they are, so centre
                them and give them a scale of about one.
            sounds: the same for all problems.
            classes: of each sound, by its place among the texts.

        Raises:
            ValueError: a class without a text, or fewer than two classes.
        """
        if len(texts[0]) < 2 or not 0 <= classes.min() <= classes.max() < len(texts[0]):
            raise ValueError(
                "ContrastiveAlignment: needs two classes or more and a text for each class, got "
                f"{len(texts[0])} texts and classes {classes.min()} to {classes.max()}"
            )
        t, a = (torch.from_numpy(np.asarray(x, dtype=np.float32)) for x in (texts, sounds))
        own = torch.from_numpy(classes).expand(len(t), -1)
        rng = np.random.default_rng(self.seed)
        maps = [
            torch.from_numpy(rng.normal(size=(1, d, self.width)) / d**0.5).float()
            for d in (t.shape[2], a.shape[1])
        ]
        u, v = (m.repeat(len(t), 1, 1).requires_grad_() for m in maps)
        adam = torch.optim.Adam([u, v], lr=self.rate)
        for _ in range(self.steps):
            scores = self._cosines(t @ u, a @ v) / self.temperature
            # a sum over problems: each has its own gradient, as if it were alone
            each = F.cross_entropy(scores.mT, own, reduction="none").mean(dim=1)
            size = (u**2).sum(dim=(1, 2)) + (v**2).sum(dim=(1, 2))
            adam.zero_grad()
            (each + self.penalty * size).sum().backward()
            adam.step()
        self.text_map_, self.sound_map_ = u.detach().numpy(), v.detach().numpy()
        return self

    def scores(
        self, texts: Float[np.ndarray, "k c e"], sounds: Float[np.ndarray, "m d"]
    ) -> Float[np.ndarray, "k m c"]:
        """Cosine of every sound with every text in every problem.

        Args:
            texts: of any classes, problem by problem.
            sounds: of any classes.
        """
        check_is_fitted(self)
        t, a = (torch.from_numpy(np.asarray(x, dtype=np.float32)) for x in (texts, sounds))
        u, v = (torch.from_numpy(m) for m in (self.text_map_, self.sound_map_))
        return np.asarray(self._cosines(t @ u, a @ v).numpy(), dtype=np.float64)

    @staticmethod
    def _cosines(texts: Any, sounds: Any) -> Any:
        return F.normalize(sounds, dim=2) @ F.normalize(texts, dim=2).mT


def among_first(
    scores: Float[np.ndarray, "*k m c"], classes: Int[np.ndarray, " m"], first: int
) -> Bool[np.ndarray, "*k m"]:
    """Whether the right class is among the first so many: accuracy@K item by item.

    A tie counts against it, and so does a score that is NaN. Chance is `first` of the number of classes.

    Args:
        scores: of every item and class, higher is better.
        classes: the right one.
        first: K.

    Raises:
        ValueError: no class for each item, or one that has no score.

    Example:
        >>> among_first(np.array([[0.9, 0.1, 0.5]]), np.array([2]), 2).tolist()
        [True]
    """
    if (
        scores.shape[-2] != len(classes)
        or not ((classes >= 0) & (classes < scores.shape[-1])).all()
    ):
        raise ValueError(
            f"among_first: scores of shape {scores.shape} need {scores.shape[-2]} classes between 0 "
            f"and {scores.shape[-1] - 1}"
        )
    own = np.take_along_axis(scores, np.broadcast_to(classes[:, None], (*scores.shape[:-1], 1)), -1)
    return np.asarray((~(scores < own)).sum(axis=-1) <= first)
