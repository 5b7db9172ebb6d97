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

from inscape.compare import dissimilarity, energy_distance, linear_cka, mantel, mmd, rsa
from inscape.core import Measured, fact, one_torch_thread
from inscape.learn import Budget, EmaTarget, SelfPredicting, predict_target
from inscape.nets import SmallVit, layer_rows, projector
from inscape.recipes.scene_namers import BATCH, namer, plain_namer, scene_batch
from inscape.study import Arm, Bounded, Card, Claim, Run, arms, setting
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
        paired=Claim(
            text="At the first layer of every kind of network, CKA of pairs is 0.3 above that of "
            "shuffled pairs",
            at_least=0.3,
        ),
        mantel=Claim(
            text="Mantel's p is at most 0.001 in every network",
            at_most=0.001,
            exact="the largest p of all trained networks, 1,999 permutations each",
        ),
        strength=Claim(
            text="Alignment falls with the strength of the filter, rank correlation −0.9",
            at_most=-0.9,
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
    ),
    answer="CKA of pairs is {paired:.2f} above shuffled pairs at the least; it falls with the "
    "filter's strength ({strength:.2f}). Self-distillation changes the mean CKA of a transformer "
    "by {distilled:+.2f}; transformers are {convolutions:+.2f} above convolutional networks.",
    tiny=dict(paired="any", mantel="any", strength="any", distilled="any", convolutions="any"),
    differs="The authors take pretrained networks and frames of a human and a filtered cat view; "
    "self-distillation here is a moving-average target with a predictor, not DINO's centred "
    "softmax. CKA is debiased.",
    group_note="A network is what varies: intervals are over random starts.",
    negative="On seeds 0 to 2 CKA of pairs at the first layer is 0.46, 0.41 and 0.41 above that "
    "of shuffled pairs at the least, with intervals from 0.24 on, below the criterion. "
    "Self-distillation adds 0.13, 0.04 and 0.07, with intervals around zero. Convolutional "
    "networks are more aligned than transformers (0.86, 0.87 and 0.81 against 0.43, 0.46 and "
    "0.47), before training too (0.87 against 0.64, 0.63 and 0.58).",
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
    rows, ps, ranks = [], [], []
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
            human, cat, noisy = see(plain), see(cat_view(plain)), see(plain + noise)
            own = {"kind": kind, "trained": state == kind, "network": k}
            for i, sides in enumerate(zip(human, cat, noisy, strict=True)):
                rows.append(own | {"layer": i + 1} | _layer(*sides, order))
            if state == kind:
                far = (dissimilarity(side[0], "correlation") for side in (human, cat))
                ps.append(mantel(*far, draws=config.draws, rng=run.rng("mantel", kind, str(k))).p)
                alike = [_mean_cka(human, see(cat_view(plain, s))) for s in STRENGTHS]
                ranks.append(float(spearmanr(STRENGTHS, alike)[0]))
    run.claim("mantel", fact("largest p of Mantel's test", max(ps), "p"))
    _claims(run, pd.DataFrame(rows), ranks)


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


def _mean_cka(x: list[np.ndarray], y: list[np.ndarray]) -> float:
    """Mean over layers."""
    return float(np.mean([linear_cka(a, b) for a, b in zip(x, y, strict=True)]))


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


def _claims(run: Run, frame: pd.DataFrame, ranks: list[float]) -> None:
    """What the layers of all networks show: the first, each, and their mean."""
    mean = frame.groupby(["kind", "trained", "layer"], as_index=False, sort=False).mean(
        numeric_only=True
    )
    run.table("layers", mean.drop(columns="network"), "Every layer, mean over random starts.")
    trained = dict(iter(frame[frame["trained"]].groupby(["kind", "layer"], sort=False)))
    above = {kind: trained[kind, 1]["CKA"] - trained[kind, 1]["CKA, shuffled"] for kind in KINDS}
    first = Measured("CKA of pairs over shuffled pairs at the first layer", unit="CKA")
    least = first.put_each(above).combined(
        "least of the kinds", lambda *v: np.min(v, axis=0), *KINDS
    )
    run.claim("paired", least)
    fall = Measured("rank correlation of strength and CKA", unit="Spearman's ρ", direction="lower")
    fall.put("all networks", ranks)
    run.claim("strength", fall.value("all networks"))
    over = frame.groupby(["kind", "trained", "network"], sort=False)[["CKA", "CKA, noise"]].mean()
    m = Measured("mean CKA of pairs over layers", unit="CKA", kind="bounded")
    for kind in KINDS:
        m.put(kind, over.loc[(kind, True), "CKA"])
        m.put(f"untrained {kind}", over.loc[(kind, False), "CKA"], role="reference")
        m.put(f"{kind}, noise", over.loc[(kind, True), "CKA, noise"], role="baseline")
    run.claim("distilled", m.gain(DISTILLED, over=VIT))
    run.claim("convolutions", m.gain(VIT, over=CNN))
    run.show("kinds", m, "Mean CKA of pictures and cat views over layers.")
    layer = Measured("CKA of pairs", unit="CKA", kind="bounded")
    layer.put_each({cell: own["CKA"] for cell, own in trained.items()}, by=("condition", "layer"))
    caption = "CKA of pictures and cat views by layer."
    run.curve("by-layer", layer.evidence(), caption, x="layer")
