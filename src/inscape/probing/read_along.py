"""Texts read along directions that were found on others, beside a probe of their own.

A direction found on templates says little if it reads templates alone. Here every finder's
direction reads the mean vector of each new text, and a probe trained on other groups of the same
texts shows what could be read.

Cost: one pass over the texts, and a sweep.
Reference: Tigges et al. (2023), arXiv:2310.15154, for directions tested on natural sentences.
"""

from __future__ import annotations

import pandas as pd

from inscape.core.folds import group_codes
from inscape.core.rng import generator
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.probing.directions import Directions, auc_by_layer
from inscape.probing.frames import by_layer
from inscape.probing.sweep import sweep
from inscape.read.coordinates import mean_vectors

#: how the probe that is trained on the texts is called
OWN = "probe on the sentences"


def read_along(
    model: Model, texts: Examples, label: str, found: Directions, *, seed: int
) -> pd.DataFrame:
    """Area under the ROC curve by site, of every finder and of a probe trained on other groups.

    Args:
        model: the model.
        texts: with a group.
        label: the column that is asked about, of two classes.
        found: directions, which never saw one of these texts.
        seed: of the bootstrap and the folds.

    Returns:
        As `inscape.charts.layers.score_by_layer` draws it.
    """
    y, groups = texts.classes(label)[0], group_codes(texts.groups())
    x = mean_vectors(model, texts, found.sites)
    own = sweep(
        dict(zip(found.sites, x, strict=True)),
        y,
        groups=groups,
        task="classification",
        metric="auc",
        shuffles=0,
        target_names=(label,),
        seed=seed,
    )
    along = auc_by_layer([found], [x], [y], [groups], generator(seed, "natural", "auc"))
    both = pd.concat([along, by_layer({OWN: own})], ignore_index=True)
    return both.drop(columns="target")
