"""The layer and strength at which steering apart works best, chosen on training rows alone.

At each layer v is the mean state of unknown questions less that of known ones. Part of the groups,
and one relation at a time where there are several, are left out of v and steered: + strength · v
where the model should abstain, − strength · v where it should answer. What is scored is what it
then says. Of layers that do as well, the one is taken along whose v unknown and known are told
apart best, then the smallest strength.

Cost: one harvest; layers × strengths × relations × greedy answers to the questions left out.
Reference: the choice of a layer by its steering, Yang et al. (2025), arXiv:2510.02324.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from inscape.control.contrast_vectors import difference_of_means
from inscape.core.folds import group_codes
from inscape.core.intervals import auc
from inscape.core.rng import generator
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.abstention import Judge, balanced, shifted
from inscape.store.harvest import harvest


class Choice(NamedTuple):
    """What was chosen.

    Attributes:
        layer: the block that v steers after.
        strength: what v is multiplied with.
        vector: v, from all training rows.
        tried: for each layer and strength ``layer``, ``strength``, ``good`` (mean of the share of
            unknown questions abstained from and of known ones answered rightly) and ``AUC``
            (unknown told from known along v), on what was left out.
    """

    layer: int
    strength: float
    vector: Float[np.ndarray, " d"]
    tried: pd.DataFrame

    def by_layer(self) -> pd.DataFrame:
        """At the chosen strength, ready to be drawn: ``x`` (the layer), ``series``, ``value``."""
        own = self.tried[self.tried["strength"] == self.strength]
        named = own.rename(columns={"layer": "x", "good": "good answers", "AUC": "AUC along v"})
        return named.melt("x", ["good answers", "AUC along v"], "series")


def choose(
    model: Model,
    judge: Judge,
    questions: Examples,
    unknown: Bool[np.ndarray, " n"],
    sites: str,
    strengths: Sequence[float],
    *,
    seed: int,
    advance: Callable[[], None] | None = None,
) -> Choice:
    """Try every layer and strength on training questions.

    Args:
        model: answers.
        judge: tells answers apart.
        questions: of training, with a group and the column ``relation``.
        unknown: which are not known.
        sites: residual sites that may be chosen, ``resid_post.*`` or some of them.
        strengths: that may be chosen.
        seed: of the groups left out.
        advance: called after each site.

    Raises:
        ValueError: no strengths.
    """
    if not len(strengths):
        raise ValueError("choose: give at least one strength")
    store = harvest(model, questions, sites, at="last")
    splits, tried, vectors = _splits(questions, seed), [], {}
    for site, matrix in store.matrices():
        x = matrix.astype(np.float64)
        vectors[_layer(site)] = _mean_difference(x, unknown)
        for strength in strengths:
            good, areas = [], []
            for fit, out in splits:
                v = _mean_difference(x[fit], unknown[fit])
                rows = np.where(unknown[out], strength, -strength)[:, None] * v
                good.append(
                    balanced(
                        judge.ask(model, questions.take(out), shifted(str(site), rows)),
                        unknown[out],
                    )
                )
                areas.append(auc(x[out] @ v, unknown[out]))
            tried.append((_layer(site), strength, float(np.mean(good)), float(np.nanmean(areas))))
        if advance is not None:
            advance()
    layer, strength, *_ = max(tried, key=lambda t: (round(t[2], 6), round(t[3], 6), -t[1]))
    frame = pd.DataFrame(tried, columns=["layer", "strength", "good", "AUC"])
    return Choice(layer, strength, vectors[layer], frame)


def _splits(questions: Examples, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to find v on and rows to steer, which share no group, and no relation where there are
    two."""
    relation, groups = (
        questions.frame["relation"].astype(str).to_numpy(),
        group_codes(questions.groups()),
    )
    names, out = list(dict.fromkeys(relation)), []
    for i in range(max(2, len(names))):
        half = generator(seed, "left out", str(i)).permutation(int(groups.max()) + 1) % 2 == 0
        left = relation == names[i] if len(names) > 1 else np.ones(len(relation), dtype=bool)
        rest = ~left if len(names) > 1 else left
        out.append((np.flatnonzero(half[groups] & rest), np.flatnonzero(~half[groups] & left)))
    return out


def _mean_difference(
    x: Float[np.ndarray, "n d"], unknown: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, " d"]:
    return difference_of_means(x[None], unknown.astype(int))[0]


def _layer(site: Site) -> int:
    return int(site.layer or 0)
