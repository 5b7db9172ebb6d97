"""Loss that is added by mean-ablating a neuron, on texts by which the neuron was not chosen.

    Δ_i = (L_i under the ablation − L_i) / tokens_i      nats per token, text by text

In each fold the neuron that its training texts chose is ablated while the held-out texts are read,
and so are random neurons of the same layer.

Cost: (1 + random) passes over the held-out texts of each fold.
Reference: Gurnee et al. (2023), arXiv:2305.01610, §5.2 (a language's neuron ablated).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.core.evidence import Evidence
from inscape.core.measured import Measured
from inscape.model.model import Model
from inscape.outcomes.mean_ablation import held_at_mean
from inscape.outcomes.token_losses import Losses, token_losses
from inscape.store.store import Store

#: the null of `with_and_without`
RANDOM = "random neurons of the same layer"


class Pick(NamedTuple):
    """What one fold chose.

    Attributes:
        held: the texts that are held out.
        site: of the neuron.
        neuron: its number there.
    """

    held: Int[np.ndarray, " m"]
    site: str
    neuron: int


def loss_added(
    model: Model,
    store: Store,
    texts: Sequence[str],
    picks: Iterable[Pick],
    *,
    random: int,
    rng: np.random.Generator,
    before: Losses | None = None,
) -> Float[np.ndarray, "conditions n"]:
    """Loss per token added on each text, in nats; zero for texts that no fold holds out.

    Args:
        model: a language model with a head.
        store: of these texts, whose means take the neurons' place.
        texts: read under the ablation.
        picks: of the folds.
        random: random neurons of the same layer for each fold.
        rng: draws them.
        before: the losses without ablation, where they are known.

    Returns:
        The chosen neurons first, then each random one, (1 + random, n).
    """
    every = np.array(texts, dtype=object)
    plain = token_losses(model, list(texts)) if before is None else before
    added = np.zeros((1 + random, len(texts)))
    for held, site, neuron in picks:
        for k, unit in enumerate([neuron, *rng.integers(store.width(site), size=random)]):
            edits = held_at_mean(store, pd.DataFrame({"site": [site], "neuron": [int(unit)]}))
            lost = token_losses(model, list(every[held]), edits=edits).nats - plain.nats[held]
            added[k][held] = lost / plain.tokens[held]
    return added


def with_and_without(
    added: Float[np.ndarray, "conditions n"],
    y: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    feature: str,
) -> list[Evidence]:
    """The loss that a feature's neuron adds on texts that have the feature, and on those that do
    not.

    Args:
        added: the feature's neuron first, then random neurons of its layer, which are the null.
        y: 1 where a text has the feature.
        groups: of the texts.
        feature: its name.
    """
    found = []
    for texts, inside in (("with the feature", y == 1), ("without", y == 0)):
        m = Measured("loss added", groups=groups[inside], unit="nats/token")
        m.put("its neuron", added[0, inside])
        m.put(RANDOM, added[1:, inside], role="null")
        where = {"feature": feature, "texts": texts}
        found.append(m.value("its neuron", null=RANDOM, where=where))
    return found
