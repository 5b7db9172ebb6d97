"""Which networks represent a picture and the same picture through another eye most alike, and at
which layer?

Convolutional networks and transformers, named and self-distilled, see pairs of pictures: as they
are, and through a filter of cats' vision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from torch import nn

from inscape.compare import (
    dissimilarity,
    energy_distance,
    linear_cka,
    mantel,
    mean_ckas,
    mmd,
    rsa,
)
from inscape.core import Measured, fact, least_gain, least_of, one_torch_thread
from inscape.learn import Budget, EmaTarget
from inscape.nets import SmallVit, layer_rows, projector
from inscape.recipes import namer, plain_namer, scene_views, self_predicting
from inscape.study import Arm, Bounded, Card, Claim, Run, arms, setting
from inscape.study.arms import UNTRAINED
from inscape.worlds import as_noisy, cat_view
from inscape.worlds.captioned_scenes import COUNTS, SIDE, distinct_scenes

CARD = Card(
    slug="cat-human-alignment",
    title="Purrturbed but Stable: Human-Cat Invariant Representations Across CNNs, ViTs and "
    "Self-Supervised ViTs",
    authors="Shah and Tripathi",
    year=2025,
    arxiv="2511.02404",
    room="compare",
    claim="Self-supervised transformers represent human and cat views of a frame most alike, in "
    "early blocks; convolutional networks are behind plain transformers.",
    reproduced="It tests the method, not the paper's data: captioned scenes as they are and "
    "through a filter of cats' vision. Four convolutional networks and four transformers trained "
    "to name factors, four transformers that distil themselves; CKA, RSA, MMD and energy distance "
    "at every layer.",
    controls=(
        "pairs shuffled",
        "untrained networks",
        "noise of the same mean squared change",
        "six strengths of the filter",
    ),
    claims=dict(
        learned=Claim(
            text="Training raises CKA of pairs at the first layer, in every kind of network",
            at_least=0,
            over="untrained networks",
        ),
        ranks=Claim(
            text="Training raises RSA of pairs at the first layer, which Mantel's test is of, in "
            "every kind of network",
            at_least=0,
            over="untrained networks",
        ),
        distilled=Claim(
            text="Self-distilled transformers are more aligned than those that name",
            at_least=0,
            over="transformers that name",
        ),
        convolutions=Claim(
            text="Transformers that name are more aligned than convolutional networks",
            at_least=0,
            over="convolutional networks",
        ),
        paired=Claim(
            text="At the first layer of every kind of network, trained or not, CKA of pairs is 0.3 "
            "above that of shuffled pairs",
            at_least=0.3,
            sanity=True,
        ),
        mantel=Claim(
            text="Mantel's p is at most 0.001 in every network, trained or not",
            at_most=0.001,
            exact="the largest p of all networks, 1,999 permutations each",
            sanity=True,
        ),
        strength=Claim(
            text="Alignment falls with the strength of the filter, trained or not, rank "
            "correlation −0.9",
            at_most=-0.9,
            sanity=True,
        ),
    ),
    answer="CKA of pairs is {paired:.2f} above shuffled pairs at the least, trained or not; "
    "training moves it by {learned:+.2f} in the kind of least gain. Self-distillation changes the "
    "mean CKA of a transformer by {distilled:+.2f}; transformers are {convolutions:+.2f} above "
    "convolutional networks.",
    tiny=dict(
        learned="any",
        ranks="any",
        distilled="any",
        convolutions="any",
        paired="any",
        mantel="any",
        strength="any",
    ),
    differs="The authors take pretrained networks and frames of a human and a filtered cat view; "
    "self-distillation here is a moving-average target with a predictor, not DINO's centred "
    "softmax. CKA is debiased. Untrained networks align pairs as well, so that shuffled pairs, "
    "Mantel's test and the filter's strength check the measures, and what training adds is judged.",
    group_note="A network is what varies: intervals are over random starts.",
    negative="Alignment is not learnt: at the first layer training takes 0.43, 0.47 and 0.46 from "
    "CKA on seeds 0 to 2, and 0.58, 0.42 and 0.44 from RSA; untrained transformers have 0.89 and "
    "0.93 on seed 0. CKA is 0.46, 0.41 and 0.41 above that of shuffled pairs at the least, with "
    "intervals from 0.24 on. Self-distillation adds 0.13, 0.04 and 0.07, with intervals around "
    "zero. Convolutional networks are more aligned than transformers (0.86, 0.87 and 0.81 against "
    "0.43, 0.46 and 0.47), before training too (0.87 against 0.64, 0.63 and 0.58).",
    seeds=3,
    minutes=dict(tiny=0.2, small=6),
    figure="kinds",
)


@dataclass(frozen=True)
class Config(Bounded):
    networks: int = setting(4, "random starts of each kind", least=3)
    steps: int = setting(400, "of training", least=1)
    width: int = setting(48, "of the transformers' tokens, a multiple of 4", least=4)
    channels: int = setting(8, "of the convolutional networks' first layer", least=2)
    items: int = setting(300, "held-out pictures that are paired", least=20)
    draws: int = setting(1999, "permutations of Mantel's test", least=19)


PRESETS = {
    "tiny": Config(networks=3, steps=15, width=16, channels=4, items=40, draws=99),
    "small": Config(),
    "full": Config(steps=20_000, width=192, channels=32, items=540, draws=9999),
}
CNN, VIT, DISTILLED = "convolutional", "transformer", "self-distilled transformer"
KINDS = (CNN, VIT, DISTILLED)
EMBEDDING, STRENGTHS = 32, (0.1, 0.25, 0.4, 0.6, 0.8, 1.0)


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train, pair, compare layer by layer."""
    run.asked("Which networks represent a picture alike through another eye, and at which layer?")
    plain = distinct_scenes(config.items, which=run.rng("items"), rng=run.rng("new")).images
    order = run.rng("shuffled").permutation(config.items)
    noise = as_noisy(plain, cat_view(plain), rng=run.rng("noise"))
    views = {s: cat_view(plain, s) for s in STRENGTHS}
    rows, tests, falls = [], [], []
    for kind, arm in _kinds(config).items():
        found = arms(
            run,
            {kind: arm},
            metrics={},
            budget=Budget(config.steps),
            seeds=config.networks,
            name=kind.replace(" ", "-"),
        )
        for (state, nets), k in product(found.nets.items(), range(config.networks)):
            see = partial(layer_rows, nets[k])
            human, cat, noisy = see(plain), see(views[1.0]), see(noise)
            own = {"kind": kind, "trained": state == kind, "network": k}
            named = own | {"condition": kind if state == kind else f"{UNTRAINED} {kind}"}
            for i, sides in enumerate(zip(human, cat, noisy, strict=True)):
                rows.append(named | {"layer": i + 1} | _layer(*sides, order))
            far = (dissimilarity(side[0], "correlation") for side in (human, cat))
            rng = run.rng("mantel", kind, str(k))
            tests.append(own | {"p": mantel(*far, draws=config.draws, rng=rng).p})
            alike = mean_ckas(human, [see(view) for view in views.values()])
            falls += [named | {"strength": s, "CKA": a} for s, a in zip(views, alike, strict=True)]
    run.claim("mantel", fact("largest p of Mantel's test", max(t["p"] for t in tests), "p"))
    run.table("mantel", pd.DataFrame(tests), "Mantel's test at the first layer of every network.")
    _strengths(run, pd.DataFrame(falls))
    _claims(run, pd.DataFrame(rows))


def _kinds(config: Config) -> dict[str, Arm]:
    """Two kinds that name factors, and one that predicts itself from another view of the scene."""

    def net(k: int) -> nn.Module:
        vit = SmallVit(3, SIDE, 2 * EMBEDDING, width=config.width)
        return nn.Sequential(vit, projector(2 * EMBEDDING, 2 * EMBEDDING, EMBEDDING))

    distilled = self_predicting(net, EMBEDDING, scene_views, EmaTarget(0.99))
    return {
        CNN: plain_namer(config.channels),
        VIT: namer(lambda: SmallVit(3, SIDE, sum(COUNTS), width=config.width)),
        DISTILLED: replace(distilled, deploy=lambda both: both.net[0]),
    }


def _layer(
    human: np.ndarray, cat: np.ndarray, noisy: np.ndarray, order: np.ndarray
) -> dict[str, float]:
    """All measures of one layer; distances of distributions in units of the layer's spread."""
    unit = float(np.sqrt(human.var(axis=0).sum()))
    return {
        "CKA": linear_cka(human, cat),
        "CKA, shuffled": linear_cka(human, cat[order]),
        "CKA, noise": linear_cka(human, noisy),
        "RSA": rsa(human, cat, how="spearman"),
        "MMD": mmd(human, cat),
        "energy": energy_distance(human, cat) / unit,
    }


def _strengths(run: Run, frame: pd.DataFrame) -> None:
    """Whether alignment falls as the filter grows strong, before training and after."""
    wide = frame.pivot(index=["trained", "kind", "network"], columns="strength", values="CKA")
    ranks = wide.apply(lambda row: float(spearmanr(row.index, row)[0]), axis=1)
    both = {"trained": ranks.loc[True], UNTRAINED: ranks.loc[False]}
    fall = Measured("rank correlation of strength and CKA", unit="Spearman's ρ", direction="lower")
    fall.put_each(both, roles={UNTRAINED: "reference"})
    run.claim("strength", fall.combined("the higher of trained and untrained", np.maximum, *both))
    m = Measured("mean CKA of pairs over layers", unit="CKA", kind="bounded")
    by = ["condition", "strength"]
    m.put_each(dict(iter(frame.groupby(by, sort=False)["CKA"])), by=by)
    caption = "Mean CKA of pictures and cat views over layers, by the strength of the filter."
    run.curve("strengths", m.evidence(), caption, x="strength")


def _claims(run: Run, frame: pd.DataFrame) -> None:
    """What the layers of all networks show: the first, each, and their mean."""
    mean = frame.groupby(["kind", "trained", "layer"], as_index=False, sort=False).mean(
        numeric_only=True
    )
    run.table("layers", mean.drop(columns="network"), "Every layer, mean over random starts.")
    _first(run, dict(iter(frame[frame["layer"] == 1].groupby("condition", sort=False))))
    over = frame.groupby(["condition", "network"], sort=False)[["CKA", "CKA, noise"]].mean()
    m = Measured("mean CKA of pairs over layers", unit="CKA", kind="bounded")
    for kind in KINDS:
        m.put(kind, over.loc[kind, "CKA"])
        m.put(f"{UNTRAINED} {kind}", over.loc[f"{UNTRAINED} {kind}", "CKA"], role="reference")
        m.put(f"{kind}, noise", over.loc[kind, "CKA, noise"], role="baseline")
    run.claim("distilled", m.gain(DISTILLED, over=VIT))
    run.claim("convolutions", m.gain(VIT, over=CNN))
    run.show("kinds", m, "Mean CKA of pictures and cat views over layers.")
    layer = Measured("CKA of pairs", unit="CKA", kind="bounded")
    by, learnt = ["condition", "layer"], frame[frame["trained"]]
    layer.put_each(dict(iter(learnt.groupby(by, sort=False)["CKA"])), by=by)
    run.curve("by-layer", layer.evidence(), "CKA of pictures and cat views by layer.", x="layer")


def _first(run: Run, cells: dict[str, pd.DataFrame]) -> None:
    """The first layer by kind, trained or not: pairs over shuffled pairs, and what training
    adds.
    """
    starts = [f"{UNTRAINED} {kind}" for kind in KINDS]
    roles: dict[str, Any] = dict.fromkeys(starts, "reference")
    m = Measured("CKA of pairs over shuffled pairs at the first layer", unit="CKA")
    m.put_each(
        {name: own["CKA"] - own["CKA, shuffled"] for name, own in cells.items()}, roles=roles
    )
    after, before = (m.combined("least of the kinds", least_of, *own) for own in (KINDS, starts))
    why = f"It is {after.value:.2f} after training and {before.value:.2f} before."
    run.claim("paired", m.combined("least, trained or not", least_of, *KINDS, *starts), why)
    found = []
    for id, measure in (("learned", "CKA"), ("ranks", "RSA")):
        m = Measured(f"{measure} of pairs at the first layer", unit=measure)
        m.put_each({name: own[measure] for name, own in cells.items()}, roles=roles)
        gain = m.combined("least gain by training of the kinds", least_gain, *KINDS, *starts)
        run.claim(id, gain)
        found += [m.gain(kind, over=start) for kind, start in zip(KINDS, starts, strict=True)]
    run.table("first", found, "What training adds at the first layer, by kind of network.")
