"""Human sentences: read along directions that were found elsewhere, and judged with one of them held at its mean.

Beside the directions stands a probe of the sentences' own, held out by document; beside the direction that is held, random
ones of the same covariance. Cost: a pass to read, and one a direction to judge.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from inscape.core.evidence import Beside, Evidence
from inscape.core.folds import group_codes
from inscape.core.measured import Measured
from inscape.core.rng import generator
from inscape.core.shares import Shares
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.trials import Trials
from inscape.outcomes.verdicts import Verdicts
from inscape.probing.directions import MATCHED, Directions, auc_by_layer
from inscape.probing.frames import by_layer
from inscape.probing.sweep import sweep
from inscape.read.coordinates import mean_vectors

OWN = "probe on the sentences"


def read_along(
    model: Model, people: Examples, label: str, found: Directions, *, seed: int
) -> pd.DataFrame:
    """Area under the ROC curve by site, of every finder and of a probe trained on other sentences.

    Args:
        model: the model.
        people: sentences with a group.
        label: the column that is asked about, of two classes.
        found: directions, which never saw a sentence.
        seed: of the bootstrap and the folds.

    Returns:
        As `inscape.charts.layers.score_by_layer` draws it.
    """
    y, groups = people.classes(label)[0], group_codes(people.groups())
    x = mean_vectors(model, people, found.sites)
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
    curves = [
        auc_by_layer([found], [x], [y], [groups], generator(seed, "natural", "auc")),
        by_layer({OWN: own}),
    ]
    return pd.concat(curves, ignore_index=True).drop(columns="target")


def judged_without(
    test: Verdicts,
    people: Examples,
    label: str,
    end: str,
    found: Directions,
    finder: str,
    *,
    seed: int,
    draws: int = 3,
) -> list[Evidence]:
    """The accuracy of verdicts on half of the sentences, and what of it is lost with a finder's direction held at its mean.

    Args:
        test: whose model, words and marks.
        people: sentences with a group.
        label: the column of two classes.
        end: what is put after a sentence.
        found: directions.
        finder: which of them.
        seed: of the choice of sentences and the bootstrap.
        draws: matched random directions.
    """
    y, groups = people.classes(label)[0], group_codes(people.groups())
    rows = np.sort(generator(seed, "natural", "texts").permutation(len(y))[: len(y) // 2])
    texts = people.take(rows).with_prompt("{}" + end)
    human = Verdicts(
        test.model,
        (texts,),
        test.words,
        y[rows],
        np.zeros(len(rows), dtype=np.int64),
        Shares(groups[rows], generator(seed, "natural", "bootstrap")),
        test.marks,
    )
    trials = Trials(
        human,
        found.sites,
        (np.concatenate([found.found[finder][None], found.nulls[MATCHED][:draws]]),),
    )
    before = human.right(human.scores())
    held = trials.held(range(1 + draws), trials.means([texts]))
    can = Measured("accuracy of the verdicts", groups=human.shares.groups, unit="accuracy")
    can.put("left alone", before)
    chance = Beside("reference", "chance", 0.5)
    lost = Measured(
        "accuracy above chance lost", groups=human.shares.groups, unit="share", kind="ratio"
    )
    lost.put(finder, before - human.right(held[0]), before - 0.5)
    lost.put(MATCHED, [before - human.right(s) for s in held[1:]], before - 0.5, role="baseline")
    return [
        can.value("left alone", where={"ablated": "nothing"}, beside=(chance,)),
        *(lost.value(name, where={"ablated": name}) for name in (finder, MATCHED)),
    ]
