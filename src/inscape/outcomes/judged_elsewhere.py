"""Verdicts on other texts, with one direction held at its mean: does what was found on templates
act elsewhere?

    lost = Σ (right before − right after) / Σ (right before − 1/2)

Half of the texts are judged, each followed by the words that ask for the verdict; a direction is
held at its mean over them at every site. Beside it stand random directions, the baseline.

Cost: a pass over the texts for the means, and one for each direction.
Reference: Tigges et al. (2023), arXiv:2310.15154, for the ablation on natural sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from inscape.core.evidence import Beside, Evidence
from inscape.core.folds import group_codes
from inscape.core.measured import Measured, Role
from inscape.core.rng import generator
from inscape.core.shares import Shares
from inscape.data.examples import Examples
from inscape.outcomes.trials import Trials
from inscape.outcomes.verdicts import Verdicts


def judged_elsewhere(
    test: Verdicts,
    texts: Examples,
    label: str,
    end: str,
    sites: Sequence[str],
    lines: Mapping[str, Float[np.ndarray, "draws sites d"]],
    *,
    seed: int,
) -> list[Evidence]:
    """The accuracy of verdicts on half of the texts, and what of it is lost with a direction held.

    Args:
        test: whose model, words and marks.
        texts: with a group.
        label: the column of two classes.
        end: what is put after a text.
        sites: where the directions are held.
        lines: unit vectors by kind: first the direction in question, then random ones.
        seed: of the choice of texts.

    Returns:
        The accuracy beside chance, and the share lost with the direction and with random ones.
    """
    y, groups = texts.classes(label)[0], group_codes(texts.groups())
    rows = np.sort(generator(seed, "natural", "texts").permutation(len(y))[: len(y) // 2])
    asked = texts.take(rows).with_prompt("{}" + end)
    here = Verdicts(
        test.model,
        (asked,),
        test.words,
        y[rows],
        np.zeros(len(rows), dtype=np.int64),
        Shares(groups[rows], generator(seed, "natural", "bootstrap")),
        test.marks,
    )
    trials, (first, *_) = Trials.of(here, sites, [lines]), lines
    before, means = here.right(here.scores()), trials.means([asked])
    can = Measured("accuracy of the verdicts", groups=groups[rows], unit="accuracy")
    can.put("left alone", before)
    lost = Measured("accuracy above chance lost", groups=groups[rows], unit="share", kind="ratio")
    for kind, scores in trials.held_by_kind(means).items():
        role: Role = "treatment" if kind == first else "baseline"
        lost.put(kind, [before - here.right(s) for s in scores], before - 0.5, role=role)
    chance = Beside("reference", "chance", 0.5)
    return [
        can.value("left alone", where={"ablated": "nothing"}, beside=(chance,)),
        *(lost.value(name, where={"ablated": name}) for name in lines),
    ]
