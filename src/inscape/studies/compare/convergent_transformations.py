"""Do subjects share a sequence of transformations, and does a network of pictures give its order?

Reference: Marcos-Manchón and Fuentemilla (2025), arXiv:2507.13941; `inscape.compare.inter_subject`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from inscape.charts import cells, matrix
from inscape.compare import (
    depth_order,
    dissimilarities,
    inter_subject,
    noise_ceiling,
    peak_layers,
    same_region,
    shuffled_same_region,
)
from inscape.core import (
    Measured,
    combine,
    least_of,
    mean_of,
    mean_of_pairs,
    one_torch_thread,
)
from inscape.learn import Budget
from inscape.model import open
from inscape.nets import layer_rows
from inscape.nets.plain_cnn import SHAPES
from inscape.recipes import plain_namer
from inscape.store.mean_states import mean_states
from inscape.study import Bounded, Card, Claim, Run, arms, setting
from inscape.study.arms import UNTRAINED
from inscape.worlds import (
    Scenes,
    distinct_scenes,
    factor_accuracy,
    one_hot_factors,
    scanned_subjects,
)

CARD = Card(
    slug="convergent-transformations",
    title="Convergent transformations of visual representation in brains and models",
    authors="Marcos-Manchón and Fuentemilla",
    year=2025,
    arxiv="2507.13941",
    room="compare",
    claim="One network of regions is conserved across people; its order follows the layers of "
    "networks of pictures and not those of language models.",
    reproduced="Made subjects: six networks of eight convolutions trained on captioned scenes, "
    "each layer a region of voxels by a random mixture and noise, beside four regions of noise. A "
    "seventh network and a text encoder on the captions give the order. No fMRI, one stream.",
    controls=(
        "regions of noise",
        "shuffled stimuli",
        "untrained subjects",
        "a text encoder on captions",
    ),
    claims=dict(
        order=Claim(
            text="Depth of a region and its peak layer in a network of pictures agree, Spearman "
            "0.8",
            at_least=0.8,
        ),
        language=Claim(
            text="That is 0.3 above the text encoder", at_least=0.3, over="text encoder"
        ),
        learned=Claim(
            text="Regions of one depth match better across trained subjects than across untrained "
            "ones, each at its weakest depth",
            at_least=0,
            over="untrained subjects",
        ),
        match=Claim(
            text="Regions of one depth match across subjects, at the weakest depth, as they do "
            "before training",
            at_least=0,
            null="shuffled stimuli",
            sanity=True,
        ),
        noise=Claim(
            text="Regions of noise do not match", at_least=-0.05, at_most=0.05, sanity=True
        ),
    ),
    answer="Depth of a region and its peak layer agree with a Spearman correlation of {order:.2f}, "
    "{language:+.2f} over a text encoder. Regions of one depth match across subjects with an r of "
    "at least {match:.2f}, {learned:+.2f} over untrained subjects.",
    # a training so short decides nothing about networks
    tiny=dict(order="any", language="any", learned="any", match="any", noise="any"),
    differs="The authors have fMRI of 8, 3 and 4 people in 360 regions and large models; 1 − "
    "Pearson's r, Pearson's r of dissimilarities, other repetitions on either side and shuffled "
    "stimuli are theirs. Untrained networks of one architecture match across subjects too, so the "
    "match itself is a check here, and what training adds to it is the claim.",
    group_note="A subject is what varies: intervals leave out one, with all its pairs.",
    negative="On seed 0 every region is most like one and the same layer of the text encoder, "
    "which gives no order: its correlation counts as 0. Subjects whose networks are not trained "
    "match, too; trained ones match by 0.13, 0.15 and 0.12 more.",
    seeds=3,
    minutes=dict(tiny=0.2, small=4),
    figure="connectivity",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    subjects: int = setting(6, "networks that are scanned", least=3)
    steps: int = setting(400, "of training", least=1)
    width: int = setting(8, "channels of the first layer", least=2)
    stimuli: int = setting(120, "captioned scenes", least=20)
    voxels: int = setting(100, "of each region", least=2)
    noise: float = setting(1.0, "in standard deviations of a voxel's signal", least=0)
    encoder: str = setting("minilm-l6", "of the captions; 'factors' for the scenes' own factors")
    draws: int = 199


FACTORS = "factors"
PRESETS = {
    "tiny": Config(subjects=4, steps=20, width=4, stimuli=40, encoder=FACTORS, draws=39),
    "small": Config(),
    "full": Config(subjects=12, steps=10_000, width=32, stimuli=500, draws=999),
}
PICTURES, TEXTS, SHUFFLED = "network of pictures", "text encoder", "shuffled stimuli"


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train and scan subjects, compare them with each other, and with the layers of two
    networks.
    """
    run.asked("Do subjects share a sequence of transformations, and which network gives its order?")
    test = distinct_scenes(config.stimuli, which=run.rng("stimuli"), rng=run.rng("scenes"))
    found = arms(
        run,
        {"trained": plain_namer(config.width)},
        metrics={"accuracy": lambda net, k: factor_accuracy(net(test.images), test.factors)},
        budget=Budget(config.steps),
        seeds=config.subjects + 1,
    )
    run.show("accuracy", found.measured("accuracy", unit="share of factors"))
    nets = [layer_rows(net, test.images) for net in found.nets["trained"]]
    models = {
        PICTURES: dissimilarities(nets.pop()),
        TEXTS: dissimilarities(_texts(config, run, test)),
    }
    regions = _scanned(config, run, nets)
    start = [layer_rows(net, test.images) for net in found.nets[UNTRAINED][: len(nets)]]
    _between(config, run, regions, _scanned(config, run, start)[:, : len(SHAPES)])
    _order(run, regions[:, : len(SHAPES)], models)


def _scanned(config: Config, run: Run, nets: list[list[np.ndarray]]) -> np.ndarray:
    """The distances of every region of each subject; subject k has the same voxels and noise
    whatever its network has learnt: (subjects, regions, pairs of stimuli).
    """
    made = scanned_subjects(nets, config.voxels, noise=config.noise, rng=run.rng)
    return np.stack([dissimilarities(own) for own in made])


def _texts(config: Config, run: Run, test: Scenes) -> list[np.ndarray]:
    """The captions in every layer of a text encoder; or the factors as they are, under rising
    noise.
    """
    if config.encoder == FACTORS:
        rng, whole = run.rng("factors"), one_hot_factors(test.factors)
        return [whole + sd * rng.normal(size=whole.shape) for sd in (0.1, 0.3, 0.5)]
    model = open(config.encoder)
    run.certificate(model.certificate)
    return mean_states(model, test.captions)


def _between(config: Config, run: Run, regions: np.ndarray, start: np.ndarray) -> None:
    """Regions of different subjects, beside those of untrained subjects, and beside stimuli in an
    order of each subject's own.
    """
    depth = len(SHAPES)
    names = [f"depth {i + 1}" for i in range(depth)]
    names += [f"noise {i + 1}" for i in range(regions.shape[1] - depth)]
    same, untrained = same_region(regions), same_region(start)
    m = Measured("r of one region in different subjects", unit="Pearson's r")
    for name, own in zip(names, same, strict=True):
        m.put_statistic(name, own, role="treatment" if name.startswith("depth") else "baseline")
    before = [f"{UNTRAINED}, {name}" for name in names[:depth]]
    m.put_each(dict(zip(before, untrained, strict=True)), role="reference")
    null = shuffled_same_region(regions[:, :depth], config.draws, rng=run.rng("shuffled"))
    overall = Measured("r at the weakest depth", unit="Pearson's r")
    overall.put_statistic("same depth", combine(least_of, *same[:depth]))
    overall.put_statistic(UNTRAINED, combine(least_of, *untrained), role="reference")
    overall.put_draws(SHUFFLED, null.max(axis=1))
    run.claim("learned", overall.gain("same depth", over=UNTRAINED))
    why = f"Untrained subjects match with an r of {overall.value(UNTRAINED).value:.2f}."
    run.claim("match", overall.value("same depth", null=SHUFFLED), why)
    run.claim("noise", m.combined("mean r of noise", mean_of, *names[depth:]))
    r = [[mean_of_pairs(pair).value for pair in row] for row in inter_subject(regions)]
    titles = {"row": "region of one subject", "column": "region of another subject"}
    grid = cells(np.array(r), names)
    chart = matrix(grid, value="Pearson's r", domain=(-1, 1), cell=46, **titles)
    run.figure("connectivity", chart, "Dissimilarities of regions of different subjects, mean r.")
    run.show("same-depth", m, by="condition")
    ceilings = [noise_ceiling(regions[:, p]) for p in range(len(names))]
    frame = pd.DataFrame(
        {
            "region": names,
            "lower": [c.lower for c in ceilings],
            "upper": [c.upper for c in ceilings],
        }
    )
    run.table(
        "ceilings",
        frame,
        "What any model can reach: r with the mean of the other subjects, and of all.",
    )


def _order(run: Run, regions: np.ndarray, models: dict[str, np.ndarray]) -> None:
    """Where each region peaks in the layers of a model, and whether the peaks have the order of the
    depths.
    """
    peaks = {name: peak_layers(regions, layers) for name, layers in models.items()}
    m = Measured("depth by peak layer", unit="Spearman's ρ")
    order = {name: depth_order(own) for name, own in peaks.items()}
    m.put_each(order, roles={TEXTS: "baseline"})
    run.claim("order", m.value(PICTURES))
    run.claim("language", m.gain(PICTURES, over=TEXTS))
    run.show("order", m)
    by = "depth of the region"
    grid = {(name, i + 1): at for name, own in peaks.items() for i, at in enumerate(own.T)}
    peak = Measured("peak layer", unit="share of the depth").put_each(grid, by=("condition", by))
    caption = "The layer of a model that a region is most like."
    run.curve("peaks", peak.evidence(), caption, x=by)
