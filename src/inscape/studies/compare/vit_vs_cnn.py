"""Are the layers of a vision transformer more alike than those of a residual network, and is it the
skips?

Both are trained to name shape, colour, size and place of captioned scenes; their layers are
compared within and between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from inscape.charts import cells, matrix
from inscape.compare import linear_cka, linear_cka_map
from inscape.core import (
    Measured,
    difference_in_differences,
    least_gain,
    mean_of,
    one_torch_thread,
)
from inscape.learn import Budget, Gradient
from inscape.nets import SmallResnet, SmallVit, head_distances, layer_rows, middle_field
from inscape.recipes import namer, trained_kinds
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED, Trained
from inscape.worlds.captioned_scenes import COUNTS, SIDE, distinct_scenes, factor_accuracy

CARD = Card(
    slug="vit-vs-cnn",
    title="Do Vision Transformers See Like Convolutional Neural Networks?",
    authors="Raghu, Unterthiner, Kornblith, Zhang and Dosovitskiy",
    year=2021,
    arxiv="2108.08810",
    room="compare",
    claim="Representations of vision transformers are far more uniform over layers than those of "
    "convolutional networks, because of early global attention and strong skips.",
    reproduced="Four transformers of six blocks and four residual networks of eight, trained to "
    "name the four factors of captioned scenes of 24 × 24 pixels. CKA of all pairs of layers, "
    "skips taken away, distances of attention and receptive fields of the first block. Probes of "
    "position and pooling by the mean are left out.",
    controls=("the untrained networks", "permuted pictures", "accuracy of both"),
    claims=dict(
        uniform=Claim(
            text="Mean CKA of different layers is 0.1 higher in transformers", at_least=0.1
        ),
        trained=Claim(
            text="The difference is larger than between untrained networks",
            at_least=0,
            over="the untrained networks",
        ),
        skip=Claim(
            text="Without the skips of a middle block, CKA of layers before it and after it falls "
            "by 0.2",
            at_least=0.2,
        ),
        field=Claim(
            text="By architecture, trained or not, the first block's receptive field is wider in "
            "transformers",
            at_least=0,
            over="residual networks",
            sanity=True,
        ),
        permuted=Claim(
            text="CKA with permuted pictures is within 0.05 of zero",
            at_least=-0.05,
            at_most=0.05,
            sanity=True,
        ),
        matched=Claim(
            text="Both name factors equally well, to 5 points",
            at_least=-0.05,
            at_most=0.05,
            sanity=True,
        ),
    ),
    answer="Layers of transformers are {uniform:+.2f} more alike in CKA than those of residual "
    "networks, {trained:+.2f} more than before training. Taking the skips of a block away lowers "
    "CKA across it by {skip:.2f}. By architecture, trained or not, the first block sees at least "
    "{field:+.1f} pixels farther.",
    # trainings so short decide nothing about networks
    tiny=dict(uniform="any", trained="any", skip="any", field="any", permuted="any", matched="any"),
    differs="The authors compare ViT-B to ViT-H and ResNets on ImageNet and JFT-300M, with layers "
    "inside blocks; here layers are what blocks end with, CKA is debiased on all pictures at once, "
    "and skips are taken away after training. The wider first field is by architecture: untrained "
    "networks have it too, so it is a check, judged on the lesser of the two differences.",
    group_note="A network is what varies: intervals are over random starts of each kind.",
    negative="On seeds 0 to 2 layers of transformers have a mean CKA of 0.90, 0.83 and 0.88 and "
    "those of residual networks 0.87, 0.86 and 0.88: networks so shallow are alike in both. "
    "Before training residual networks' layers are the more alike (0.93, 0.96 and 0.96 against "
    "0.85, 0.84 and 0.84). On seed 0 heads attend everywhere from the first block on (12.4 to "
    "12.8 pixels, as evenly spread weights do), so no early local heads are seen.",
    seeds=3,
    minutes=dict(tiny=0.2, small=8),
    figure="vit",
)


@dataclass(frozen=True)
class Config(Bounded):
    networks: int = setting(4, "random starts of each kind", least=3)
    steps: int = setting(600, "of training", least=1)
    width: int = setting(48, "of the transformers' tokens, a multiple of 4", least=4)
    channels: int = setting(12, "of the residual networks' first blocks", least=2)
    items: int = setting(300, "held-out scenes that are compared", least=20)


PRESETS = {
    "tiny": Config(networks=3, steps=15, width=16, channels=4, items=40),
    "small": Config(),
    "full": Config(networks=6, steps=20_000, width=192, channels=32, items=540),
}
VIT, RESNET = "transformer", "residual network"
PATCH, MIDDLE = 4, 3
GROWN = "difference over that before training"


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train both kinds, compare layers, take skips away."""
    run.asked("Are layers of a vision transformer more alike than those of a residual network?")
    test = distinct_scenes(config.items, which=run.rng("items"), rng=run.rng("new"))
    rule = Gradient(lr=2e-3, schedule="cosine")
    found = trained_kinds(
        run,
        {
            VIT: namer(
                lambda: SmallVit(3, SIDE, sum(COUNTS), patch=PATCH, width=config.width), rule
            ),
            RESNET: namer(lambda: SmallResnet(3, sum(COUNTS), config.channels), rule),
        },
        metrics={"accuracy": lambda net, k: factor_accuracy(net(test.images), test.factors)},
        budget=Budget(config.steps),
        seeds=config.networks,
    )
    maps = {
        kind: np.stack([linear_cka_map(layer_rows(net, test.images)).values for net in own])
        for kind, own in found.nets.items()
    }
    apart = {kind: own[:, ~np.eye(own.shape[1], dtype=bool)] for kind, own in maps.items()}
    m = Measured("mean CKA of different layers", unit="CKA", kind="bounded")
    m.put_each({kind: own.mean(axis=1) for kind, own in apart.items()}, roles=found.roles)
    run.claim("uniform", m.gain(VIT, over=RESNET))
    run.claim("trained", m.combined(GROWN, difference_in_differences, *maps))
    run.show("uniform", m)
    for name, kind in (("vit", VIT), ("resnet", RESNET)):
        mean = maps[kind].mean(axis=0)
        frame = cells(mean, [f"block {i + 1}" for i in range(len(mean))])
        chart = matrix(frame, value="CKA", domain=(0, 1), cell=52, row="block", column="block")
        run.figure(name, chart, f"CKA of the blocks of one {kind}, mean over random starts.")
    _between(run, found.nets, test.images)
    _skips(run, found.nets[VIT], test.images)
    _fields(run, found, test.images[:64])
    order = run.rng("permuted").permutation(config.items)
    both = (VIT, RESNET)
    last = {kind: [layer_rows(net, test.images)[-1] for net in found.nets[kind]] for kind in both}
    permuted = Measured("CKA with permuted pictures", unit="CKA")
    chance = {kind: [linear_cka(h, h[order]) for h in own] for kind, own in last.items()}
    permuted.put_each(chance, role="baseline")
    run.claim("permuted", permuted.combined("mean of both", mean_of, *both))
    right = {kind: found.values["accuracy"][kind].mean(axis=1) for kind in both}
    accuracy = Measured("share of factors named", unit="accuracy").put_each(right)
    run.claim("matched", accuracy.gain(VIT, over=RESNET))
    run.show("accuracy", accuracy)


def _between(run: Run, nets: dict[str, Any], images: Tensor) -> None:
    """CKA of the blocks of the two kinds, pair by pair of random starts."""
    pairs = zip(nets[VIT], nets[RESNET], strict=True)
    maps = [linear_cka_map(*(layer_rows(net, images) for net in pair)).values for pair in pairs]
    mean = np.mean(maps, axis=0)
    rows, columns = ([f"block {i + 1}" for i in range(n)] for n in mean.shape)
    frame = cells(mean, [f"{VIT}, {row}" for row in rows], columns)
    titles = {"row": f"block of a {VIT}", "column": f"block of a {RESNET}"}
    chart = matrix(frame, value="CKA", domain=(0, 1), **titles)
    run.figure("between", chart, "CKA of blocks of transformers and (across) of residual networks.")


def _skips(run: Run, nets: list[Any], images: Tensor) -> None:
    """CKA of blocks before a middle one and from it on, with its skips and without."""

    def across(net: Any, *without: int) -> float:
        before, after = layer_rows(net, images), layer_rows(net, images, *without)
        return float(linear_cka_map(before[:MIDDLE], after[MIDDLE:]).values.mean())

    m = Measured("CKA across a block", unit="CKA", kind="bounded")
    m.put("with skips", [across(net) for net in nets], role="reference")
    m.put("without skips", [across(net, MIDDLE) for net in nets])
    run.claim("skip", m.fall("without skips", below="with skips"))
    run.show("skips", m)


def _fields(run: Run, found: Trained, images: Tensor) -> None:
    """How far the first block sees, before training and after, and how far heads attend."""
    far = {kind: [middle_field(net, images) for net in own] for kind, own in found.nets.items()}
    m = Measured("receptive field of the first block", unit="pixels")
    m.put_each(far, roles=found.roles)
    after, before = (m.gain(f"{a}{VIT}", over=f"{a}{RESNET}") for a in ("", f"{UNTRAINED} "))
    lesser = m.combined(
        "difference of the kinds, the lesser of trained and untrained", least_gain, *far
    )
    why = (
        f"The difference is {after.value:.1f} pixels after training and {before.value:.1f} before."
    )
    run.claim("field", lesser, why)
    grown = m.combined(GROWN, difference_in_differences, *far)
    caption = "Receptive field of the first block: transformers over residual networks."
    run.table("field-differences", [after, before, grown], caption)
    run.show("fields", m)
    reach = torch.stack([head_distances(net, images) for net in found.nets[VIT]])
    rows = [
        {"block": b + 1, "head": h + 1, "pixels": float(v)}
        for b, line in enumerate(reach.mean(dim=0).tolist())
        for h, v in enumerate(sorted(line))
    ]
    run.table("attention", pd.DataFrame(rows), "Mean distance of attention, heads in order of it.")
