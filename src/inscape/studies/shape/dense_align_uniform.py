"""Do alignment and uniformity of grid features tell which dense contrastive encoder segments best?

Small encoders of scenes with known masks learn by matching cells of two crops, by several rules;
alignment and uniformity are read off their embeddings, and linear probes off their representations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import gammaln, ive
from scipy.stats import spearmanr, zscore
from torch import Tensor
from torch.nn import functional as F

from inscape.charts import points
from inscape.core import Measured, fact, one_torch_thread, rank_correlation
from inscape.learn import Budget, at_cells, dense_info_nce, nearest_cells
from inscape.nets import DenseEmbedding
from inscape.read import LogisticProbe
from inscape.shape import alignment, uniformity
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED, Arm, arms
from inscape.worlds.object_scenes import (
    CLASSES,
    SCENE,
    CropPairs,
    ObjectScenes,
    crop_pairs,
    object_scenes,
)

CARD = Card(
    slug="dense-align-uniform",
    title="Correlation between Alignment-Uniformity and Performance of Dense Contrastive "
    "Representations",
    authors="Moon, Kim and Choi",
    year=2022,
    arxiv="2210.08819",
    room="shape",
    claim="Alignment and uniformity carry over to dense contrastive features; their sum tracks "
    "downstream performance, and how positive pairs are built matters.",
    reproduced="24 convolutional encoders of rendered scenes of three shapes: positives of the "
    "same place, the nearest feature, a random place, or the whole picture; three temperatures; "
    "few or all negatives. Linear probes of pixels and of pictures on held-out scenes of one and "
    "of three shapes.",
    controls=(
        "encoders permuted",
        "the untrained encoder",
        "features that have collapsed",
        "positives at random places",
    ),
    claims=dict(
        rank=Claim(
            text="−alignment − uniformity and pixel mIoU are rank-correlated by 0.5",
            at_least=0.5,
            null="encoders permuted",
        ),
        rule=Claim(
            text="Positives of the same place gain 3 points of mIoU over random places",
            at_least=0.03,
            over="random places",
        ),
        sphere=Claim(
            text="Uniformity of a uniform sphere is its closed form to 1 %",
            at_most=0.01,
            sanity=True,
            exact="4,000 directions that were drawn, against a Bessel function",
        ),
    ),
    answer="The sum correlates with pixel mIoU by {rank:.2f}; positives of the same place gain "
    "{rule:+.1 points} of mIoU over random places.",
    # few short trainings decide nothing about encoders
    tiny=dict(rank="any", rule="any", sphere="supported"),
    differs="The authors' repository holds no code; the scalar is the sum of z-scores of "
    "−alignment and −uniformity over the encoders. Negatives are cells of other pictures of the "
    "batch, without a queue.",
    group_note="Encoders are what varies: the gain of a rule is over six pairs of equal "
    "temperature and negatives.",
    negative="On seeds 0 to 2 the correlation is 0.82, 0.69 and 0.86, with an interval from 0.36 "
    "on the second, and the gain 5.6, 5.8 and 5.4 points, with intervals from 2.5, 3.0 and 3.9. "
    "The networks are weak: mIoU is 0.15 to 0.21, and the untrained one, with 0.17 to 0.19, is "
    "above those of random places. The sum over means of cells tells nothing of mIoU (−0.16, "
    "−0.08, −0.18).",
    seeds=3,
    minutes=dict(tiny=0.1, small=6, full=60),
    figure="encoders",
)


@dataclass(frozen=True)
class Config(Bounded):
    temperatures: tuple[float, ...] = setting((0.07, 0.2, 0.7), "of the loss")
    negatives: tuple[int, ...] = setting((2, 31), "pictures whose cells are negatives, of 31")
    steps: int = setting(800, "of training", least=1)
    scenes: int = setting(
        300, "held-out scenes of each kind, and as many to fit probes on", least=20
    )


PRESETS = {
    "tiny": Config(temperatures=(0.2,), negatives=(2, 31), steps=20, scenes=60),
    "small": Config(),
    "full": Config(temperatures=(0.05, 0.07, 0.1, 0.2, 0.4, 0.7), steps=8000, scenes=1000),
}
BATCH, CELLS, OBJECTS, SHARPNESS = 32, 4, (1, 3), 2.0
SAME, NEAREST, ANYWHERE, WHOLE = "same place", "nearest feature", "random places", "whole picture"
PIXELS = 60  # of each scene, that the pixel probe is fitted on


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train, measure, correlate."""
    run.asked("Do alignment and uniformity of grid features tell which encoder segments best?")
    settings = {
        f"{rule}, τ = {heat:g}, {few} pictures": (rule, heat, few)
        for rule, heat, few in product(
            (SAME, NEAREST, ANYWHERE, WHOLE), config.temperatures, config.negatives
        )
    }
    found = arms(
        run,
        {name: _arm(*own) for name, own in settings.items()},
        metrics={},
        budget=Budget(config.steps),
    )
    known, new = (
        {k: object_scenes(config.scenes, k, rng=run.rng(side, str(k))) for k in OBJECTS}
        for side in ("probe", "test")
    )
    views = crop_pairs(new[OBJECTS[-1]].images, CELLS, rng=run.rng("views"))
    rows = []
    for name, (net,) in found.nets.items():
        rule, heat, few = settings.get(name, (UNTRAINED, np.nan, 0))
        own = {"encoder": name, "positives": rule, "temperature": heat, "negatives": few}
        rows.append(own | _measures(net, views) | _probes(net, known, new, run))
    frame = pd.DataFrame(rows)
    trained = frame[frame["encoder"] != UNTRAINED].reset_index(drop=True)
    for grain in ("dense", "pooled"):
        parts = (-trained[f"{grain} {what}"] for what in ("alignment", "uniformity"))
        trained[f"{grain} sum"] = sum(zscore(part) for part in parts)
    collapsed = {"encoder": "collapsed features", "dense alignment": 0.0}
    collapsed["dense uniformity"] = uniformity(np.ones((50, 4)))
    rest = frame[frame["encoder"] == UNTRAINED]
    run.table(
        "encoders",
        pd.concat([trained, rest, pd.DataFrame([collapsed])]),
        "Every encoder: alignment and uniformity of cells and of means over cells, and its probes.",
    )
    _claims(run, trained)


def _arm(rule: str, heat: float, pictures: int) -> Arm:
    def batches(rng: np.random.Generator, k: int) -> CropPairs:
        made = object_scenes(BATCH, OBJECTS[-1], rng=rng)
        return crop_pairs(made.images, CELLS, rng=rng)

    def loss(net: Any, batch: CropPairs) -> Tensor:
        grids = net.encoder(torch.cat(batch.crops))
        first, second = net.projector(grids).chunk(2)
        if rule == WHOLE:
            ends = (x.mean(dim=(2, 3))[:, None] for x in (first, second))
            return dense_info_nce(*ends, heat, pictures)
        cells, match = batch.cells
        if rule == ANYWHERE:
            match = batch.anywhere
        elif rule == NEAREST:
            one, other = grids.detach().chunk(2)
            match = nearest_cells(at_cells(one, cells), other)
        return dense_info_nce(at_cells(first, cells), at_cells(second, match), heat, pictures)

    return Arm(lambda k: DenseEmbedding(3), batches, loss)


@torch.no_grad()
def _measures(net: Any, views: CropPairs) -> dict[str, float]:
    """Alignment of the same places in two crops and uniformity, of cells and of means over them."""
    grids = [net(x) for x in views.crops]
    dense = [at_cells(x, c).flatten(0, 1).numpy() for x, c in zip(grids, views.cells, strict=True)]
    pooled = [x.mean(dim=(2, 3)).numpy() for x in grids]
    return {
        f"{grain} {what}": value
        for grain, (one, two) in (("dense", dense), ("pooled", pooled))
        for what, value in (
            ("alignment", alignment(one, two)),
            ("uniformity", uniformity(one, t=SHARPNESS)),
        )
    }


@torch.no_grad()
def _probes(
    net: Any, known: dict[int, ObjectScenes], new: dict[int, ObjectScenes], run: Run
) -> dict[str, float]:
    """mIoU of a linear probe of pixels, of scenes with one and with several shapes; accuracy of a
    probe of pictures.
    """
    out = {}
    for k in known:
        sides = [(net.encoder(x.images), x) for x in (known[k], new[k])]
        pixels = [
            F.interpolate(h, (SCENE, SCENE), mode="bilinear").flatten(2).mT.numpy()
            for h, _ in sides
        ]
        (fit_masks, masks) = (x.masks.flatten(1).numpy() for _, x in sides)
        chosen = run.rng("pixels", str(k)).integers(SCENE**2, size=(len(fit_masks), PIXELS))
        rows = np.arange(len(chosen))[:, None]
        probe = LogisticProbe(Cs=(1.0,)).fit(
            pixels[0][rows, chosen].reshape(-1, pixels[0].shape[2]), fit_masks[rows, chosen].ravel()
        )
        named = probe.predict(pixels[1].reshape(-1, pixels[1].shape[2])).reshape(masks.shape)
        out[f"mIoU, {k} shapes"] = _mean_iou(named, masks)
        if k == 1:
            means = [h.mean(dim=(2, 3)).numpy() for h, _ in sides]
            shapes = [x.shapes.numpy() for _, x in sides]
            fitted = LogisticProbe(Cs=(1.0,)).fit(means[0], shapes[0])
            out["accuracy of pictures"] = float((fitted.predict(means[1]) == shapes[1]).mean())
    return out


def _mean_iou(named: np.ndarray, masks: np.ndarray) -> float:
    both = [((named == c) & (masks == c)).sum() for c in range(CLASSES)]
    either = [((named == c) | (masks == c)).sum() for c in range(CLASSES)]
    return float(np.mean(np.divide(both, either)))


def _claims(run: Run, frame: pd.DataFrame) -> None:
    target = f"mIoU, {OBJECTS[-1]} shapes"
    kind = "encoders permuted"
    correlated = partial(rank_correlation, rng=run.rng("permuted"), kind=kind)
    x, y = (frame[c].to_numpy() for c in ("dense sum", target))
    run.claim("rank", correlated("rank correlation of the sum and pixel mIoU", x, y))
    m = Measured(f"pixel mIoU, {OBJECTS[-1]} shapes", unit="mIoU")
    for rule, own in frame.groupby("positives", sort=False):
        role = "treatment" if rule in (SAME, NEAREST) else "baseline"
        m.put(str(rule), own[target].to_numpy(), role=role)
    run.claim("rule", m.gain(SAME, over=ANYWHERE))
    run.show("rules", m)
    probes = [*(f"mIoU, {k} shapes" for k in OBJECTS), "accuracy of pictures"]
    table = [
        {"grain": grain, "measure": what, "probe": probe}
        | {"ρ": spearmanr(frame[f"{grain} {what}"], frame[probe])[0]}
        for grain, what, probe in product(
            ("dense", "pooled"), ("alignment", "uniformity", "sum"), probes
        )
    ]
    run.table(
        "correlations",
        pd.DataFrame(table),
        "Rank correlations over encoders; low alignment and uniformity are good.",
    )
    names = {"dense sum": "x", target: "value", "positives": "series", "encoder": "name"}
    chart = points(
        frame.rename(columns=names), x="−alignment − uniformity (z-scores)", y="pixel mIoU"
    )
    run.figure(
        "encoders",
        chart,
        "Pixel mIoU of each encoder against alignment and uniformity of its cells.",
    )
    d = 16
    drawn = run.rng("sphere").normal(size=(4000, d))
    # E exp(κ cos) on the sphere is Γ(d/2) (2/κ)^(d/2 − 1) I_(d/2 − 1)(κ), and ive is I e^(−κ)
    kappa, order = 2 * SHARPNESS, d / 2 - 1
    exact = gammaln(d / 2) + order * np.log(2 / kappa) + np.log(ive(order, kappa))
    off = abs(uniformity(drawn, t=SHARPNESS) / exact - 1)
    run.claim("sphere", fact("relative error of uniformity", off, "share"))
