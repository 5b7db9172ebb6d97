"""Which networks represent a picture and the same picture through another eye most alike, and at
which layer?

Convolutional networks and transformers, named and self-distilled, see pairs of pictures: as they
are, and through a filter of cats' vision.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from inscape.compare import (
    PairTable,
    cosine,
    dissimilarity,
    energy_distance,
    linear_cka,
    linear_table,
    mantel,
    mmd,
    rsa,
)
from inscape.core import Measured, fact, one_torch_thread
from inscape.learn import Budget, EmaTarget, SelfPredicting, predict_target
from inscape.nets import SmallVit, layer_rows, projector
from inscape.recipes.scene_namers import BATCH, namer, plain_namer, scene_batch
from inscape.study import Arm, Bounded, Card, Claim, Run, arms, setting
from inscape.study.arms import UNTRAINED
from inscape.worlds import cat_view
from inscape.worlds.captioned_scenes import COUNTS, SIDE, distinct_scenes, scenes

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
    change = float((cat_view(plain) - plain).square().mean() ** 0.5)
    noise = torch.from_numpy(run.rng("noise").normal(scale=change, size=plain.shape)).float()
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
            human, cat, noisy = see(plain), see(views[1.0]), see(plain + noise)
            own = {"kind": kind, "trained": state == kind, "network": k}
            for i, sides in enumerate(zip(human, cat, noisy, strict=True)):
                rows.append(own | {"layer": i + 1} | _layer(*sides, order))
            far = (dissimilarity(side[0], "correlation") for side in (human, cat))
            p = mantel(*far, draws=config.draws, rng=run.rng("mantel", kind, str(k))).p
            tests.append(own | {"p": p})
            alike = _mean_ckas(human, [see(view) for view in views.values()])
            falls += [own | {"strength": s, "CKA": a} for s, a in zip(views, alike, strict=True)]
    run.claim("mantel", fact("largest p of Mantel's test", max(t["p"] for t in tests), "p"))
    run.table("mantel", pd.DataFrame(tests), "Mantel's test at the first layer of every network.")
    _strengths(run, pd.DataFrame(falls))
    _claims(run, pd.DataFrame(rows))


def _kinds(config: Config) -> dict[str, Arm]:
    """Two kinds that name factors, and one that predicts itself from another view of the scene."""

    def two_views(rng: np.random.Generator, k: int) -> tuple[Tensor, Tensor]:
        made = scene_batch(rng)
        gains = torch.from_numpy(rng.uniform(0.6, 1.4, (2, BATCH, 3, 1, 1))).float()
        other = scenes(made.factors.numpy(), rng=rng)  # the same scene elsewhere in its cell
        return made.images * gains[0], other.images * gains[1]

    def distilling(k: int) -> SelfPredicting:
        inner = nn.Sequential(
            SmallVit(3, SIDE, 2 * EMBEDDING, width=config.width),
            projector(2 * EMBEDDING, 2 * EMBEDDING, EMBEDDING),
        )
        return SelfPredicting(inner, projector(EMBEDDING, 2 * EMBEDDING, EMBEDDING))

    return {
        CNN: plain_namer(config.channels),
        VIT: namer(lambda: SmallVit(3, SIDE, sum(COUNTS), width=config.width)),
        DISTILLED: Arm(
            net=distilling,
            batches=two_views,
            objective=lambda both, views: predict_target(both, *views),
            update=EmaTarget(0.99),
            deploy=lambda both: both.net[0],
        ),
    }


def _mean_ckas(x: list[np.ndarray], others: list[list[np.ndarray]]) -> list[float]:
    """Mean CKA over layers of one side with each of several; tables of the one are made once."""
    own = [linear_table(h) for h in x]
    own = [PairTable.dense(t.values(), t.measure) for t in own]
    return [
        float(np.mean([cosine(t, linear_table(h)) for t, h in zip(own, y, strict=True)]))
        for y in others
    ]


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
    fall = Measured("rank correlation of strength and CKA", unit="Spearman's ρ", direction="lower")
    fall.put("trained", ranks.loc[True])
    fall.put(UNTRAINED, ranks.loc[False], role="reference")
    least = fall.combined("the higher of trained and untrained", np.maximum, "trained", UNTRAINED)
    run.claim("strength", least)
    m = Measured("mean CKA of pairs over layers", unit="CKA", kind="bounded")
    cells = frame.groupby(["trained", "kind", "strength"], sort=False)["CKA"]
    named = {
        (kind if trained else f"{UNTRAINED} {kind}", strength): own
        for (trained, kind, strength), own in cells
    }
    caption = "Mean CKA of pictures and cat views over layers, by the strength of the filter."
    m.put_each(named, by=("condition", "strength"))
    run.curve("strengths", m.evidence(), caption, x="strength")


def _claims(run: Run, frame: pd.DataFrame) -> None:
    """What the layers of all networks show: the first, each, and their mean."""
    mean = frame.groupby(["kind", "trained", "layer"], as_index=False, sort=False).mean(
        numeric_only=True
    )
    run.table("layers", mean.drop(columns="network"), "Every layer, mean over random starts.")
    cells = dict(iter(frame.groupby(["trained", "kind", "layer"], sort=False)))
    _first(run, {cell[:2]: own for cell, own in cells.items() if cell[2] == 1})
    over = frame.groupby(["kind", "trained", "network"], sort=False)[["CKA", "CKA, noise"]].mean()
    m = Measured("mean CKA of pairs over layers", unit="CKA", kind="bounded")
    for kind in KINDS:
        m.put(kind, over.loc[(kind, True), "CKA"])
        m.put(f"{UNTRAINED} {kind}", over.loc[(kind, False), "CKA"], role="reference")
        m.put(f"{kind}, noise", over.loc[(kind, True), "CKA, noise"], role="baseline")
    run.claim("distilled", m.gain(DISTILLED, over=VIT))
    run.claim("convolutions", m.gain(VIT, over=CNN))
    run.show("kinds", m, "Mean CKA of pictures and cat views over layers.")
    layer = Measured("CKA of pairs", unit="CKA", kind="bounded")
    learnt = {cell[1:]: own["CKA"] for cell, own in cells.items() if cell[0]}
    layer.put_each(learnt, by=("condition", "layer"))
    caption = "CKA of pictures and cat views by layer."
    run.curve("by-layer", layer.evidence(), caption, x="layer")


def _first(run: Run, cells: dict[tuple[bool, str], pd.DataFrame]) -> None:
    """The first layer by training and kind: pairs over shuffled pairs, and what training adds."""
    least = lambda *v: np.min(v, axis=0)  # noqa: E731
    m = Measured("CKA of pairs over shuffled pairs at the first layer", unit="CKA")
    for (trained, kind), own in cells.items():
        name = kind if trained else f"{UNTRAINED} {kind}"
        role = "treatment" if trained else "reference"
        m.put(name, own["CKA"] - own["CKA, shuffled"], role=role)
    starts = [f"{UNTRAINED} {kind}" for kind in KINDS]
    after, before = (m.combined("least of the kinds", least, *own) for own in (KINDS, starts))
    why = f"It is {after.value:.2f} after training and {before.value:.2f} before."
    run.claim("paired", m.combined("least, trained or not", least, *KINDS, *starts), why)
    gains = lambda *v: np.min(np.subtract(v[: len(KINDS)], v[len(KINDS) :]), axis=0)  # noqa: E731
    found = []
    for id, measure in (("learned", "CKA"), ("ranks", "RSA")):
        m = Measured(f"{measure} of pairs at the first layer", unit=measure)
        m.put_each({kind: cells[True, kind][measure] for kind in KINDS})
        for kind, start in zip(KINDS, starts, strict=True):
            m.put(start, cells[False, kind][measure], role="reference")
        run.claim(id, m.combined("least gain by training of the kinds", gains, *KINDS, *starts))
        found += [m.gain(kind, over=start) for kind, start in zip(KINDS, starts, strict=True)]
    run.table("first", found, "What training adds at the first layer, by kind of network.")
