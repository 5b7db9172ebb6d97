"""Does topology find a layer in another network as well as geometry, and better under noise?

Reference: Lin and Kriegeskorte (2024), arXiv:2309.11028; `inscape.compare.geo_topological`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from inscape.charts import matrix
from inscape.compare import (
    dissimilarity,
    geo_topological,
    geodesic,
    over_networks,
    shuffled_items,
)
from inscape.core import Jackknife, Measured, means_apart, one_torch_thread
from inscape.learn import Budget
from inscape.recipes import classifier, trained
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED
from inscape.worlds import warped_manifolds

CARD = Card(
    slug="trsa",
    title="The Topology and Geometry of Neural Representations",
    authors="Lin and Kriegeskorte",
    year=2024,
    arxiv="2309.11028",
    room="compare",
    claim="Statistics that are sensitive to topology identify layers and brain regions as well as "
    "geometry does, and are robust to noise and to differences between individuals.",
    reproduced="Twelve networks of eight convolutions on shifted and rotated digits, 80 stimuli: "
    "the noisy dissimilarities of a layer of one must find their layer in another. Thresholds are "
    "chosen on six networks and judged on the other six; and planted manifolds. No fMRI.",
    controls=("shuffled stimuli", "untrained networks", "geometry alone (RSA of ranks)"),
    claims=dict(
        topology=Claim(
            text="Neighbourhoods alone identify twice as many layers as chance, 1 of 8",
            at_least=0.25,
            null="shuffled stimuli",
        ),
        clean=Claim(
            text="Without noise the chosen thresholds are at most 3 points below RSA",
            at_least=-0.03,
            over="RSA",
        ),
        noisy=Claim(text="Over noise levels they are at least as good", at_least=0, over="RSA"),
        warped=Claim(
            text="On manifolds with warped long distances they are 10 points above",
            at_least=0.1,
            over="RSA",
        ),
        shuffled=Claim(
            text="With shuffled stimuli a layer is found by chance",
            at_least=0.075,
            at_most=0.175,
            sanity=True,
        ),
    ),
    answer="Neighbourhoods alone identify {topology:.0%} of the layers. Chosen thresholds are "
    "{clean:+.1 points} against RSA without noise and {noisy:+.1 points} over noise levels; "
    "{warped:+.1 points} on warped manifolds.",
    # a training so short decides nothing about networks
    tiny=dict(topology="any", clean="any", noisy="any", warped="supported", shuffled="any"),
    differs="The authors test 10 All-CNN networks and fMRI of 24 subjects, with bootstraps of "
    "stimuli; ranks before thresholds, quantiles of all pairs and Pearson's r are theirs.",
    group_note="A network (subject) is what varies: intervals leave out one, with all its pairs.",
    negative="On seeds 0 to 2 the chosen thresholds gain 1 to 3 points over RSA under noise, with "
    "intervals that hold zero: six networks are few. Layers of these networks are alike: RSA "
    "identifies 43 % of them without noise.",
    seeds=3,
    minutes=dict(tiny=0.2, small=4),
    figure="noise",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    networks: int = setting(12, "half to choose thresholds on, half to judge", least=6)
    steps: int = setting(400, "of training", least=1)
    width: int = setting(8, "channels of the first layer", least=2)
    stimuli: int = setting(80, "held-out digits", least=20)
    noise: tuple[float, ...] = setting(
        (0.0, 1.0, 2.0, 4.0, 8.0), "added to activations, in their standard deviations; 0 first"
    )
    grid: int = setting(5, "steps of the thresholds", least=2)
    draws: int = 99


PRESETS = {
    "tiny": Config(networks=6, steps=20, width=4, stimuli=40, noise=(0.0, 2.0), draws=39),
    "small": Config(),
    "full": Config(networks=20, steps=4000, width=16, grid=10, draws=499),
}
RSA, CHOSEN, TOPOLOGY, SHUFFLED = "RSA", "chosen thresholds", "neighbourhoods", "shuffled stimuli"


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train, choose thresholds on some networks, judge them on the others; then planted
    manifolds.
    """
    run.asked("Does topology find a layer in another network as well as geometry?")
    found, images = trained(
        run,
        {"trained": classifier(config.width)},
        budget=Budget(config.steps),
        networks=config.networks,
        rng=run.rng("stimuli"),
    )
    seen, half = images[: config.stimuli], config.networks // 2
    nets, levels = found.nets["trained"], [f"noise {sd:g}" for sd in config.noise]
    distances = {
        level: np.stack(
            [_distances(net, seen, sd, run.rng(level, str(k))) for k, net in enumerate(nets)]
        )
        for level, sd in zip(levels, config.noise, strict=True)
    }
    ways = _thresholds(config, run, "layers", {level: d[:half] for level, d in distances.items()})
    m = Measured("layers identified", unit="share")
    judged = {level: d[half:] for level, d in distances.items()}
    at = [(name, level) for name in ways for level in levels]
    for name, level in at:
        role = "baseline" if name == RSA else "treatment"
        m.put_statistic(f"{name}, {level}", _identified(judged[level], ways[name]), role=role)
    m.put_statistic("geodesics", _identified(_paths(judged[levels[0]]), ways[RSA]), role="baseline")
    fresh = [_distances(net, seen, 0.0, run.rng("fresh")) for net in found.nets[UNTRAINED][half:]]
    m.put_statistic("untrained", _identified(np.stack(fresh), ways[RSA]), role="baseline")
    rng, clean = run.rng("shuffled"), judged[levels[0]]
    moved = (shuffled_items(clean, rng=rng) for _ in range(config.draws))
    drawn = [_identified(d, ways[TOPOLOGY]) for d in moved]
    m.put_statistic(SHUFFLED, *drawn, role="null")
    run.claim("topology", m.value(f"{TOPOLOGY}, {levels[0]}", null=SHUFFLED))
    run.claim("clean", m.gain(f"{CHOSEN}, {levels[0]}", over=f"{RSA}, {levels[0]}"))
    noisy = [f"{name}, {level}" for name in (CHOSEN, RSA) for level in levels[1:]]
    run.claim("noisy", m.combined("gain over noise levels", means_apart, *noisy))
    run.claim("shuffled", m.value(SHUFFLED))
    run.show("identified", m, "Layers identified; a guess gives 1 of 8.", null=SHUFFLED)
    sd = dict(zip(levels, config.noise, strict=True))
    shown = [
        m.value(
            f"{name}, {level}", where={"condition": name, "noise (standard deviations)": sd[level]}
        )
        for name, level in at
    ]
    run.curve("noise", shown, "Layers identified by noise.", x="noise (standard deviations)")

    made = warped_manifolds(config.networks, rng=run.rng("manifolds"))
    own = _thresholds(config, run, "regions", {"all": made[:half]})
    m = Measured("regions identified", unit="share")
    for name, thresholds in own.items():
        role = "baseline" if name == RSA else "treatment"
        m.put_statistic(name, _identified(made[half:], thresholds), role=role)
    run.claim("warped", m.gain(CHOSEN, over=RSA))
    run.show("warped", m, "Regions of warped manifolds identified; a guess gives 1 of 8.")


def _distances(net: nn.Module, images: Tensor, sd: float, rng: np.random.Generator) -> np.ndarray:
    """1 − Pearson's r of the stimuli at every layer, noise added, (layers, n, n)."""
    with torch.no_grad():
        states = [h.flatten(1).double().numpy() for h in net.layers(images)]
    return np.stack([dissimilarity(x + sd * x.std() * rng.normal(size=x.shape)) for x in states])


def _identified(distances: np.ndarray, thresholds: tuple[float, float]) -> Jackknife:
    """Share of layers found, by Pearson's r of transformed dissimilarities (networks, layers, n,
    n).
    """
    networks, layers, n, _ = distances.shape
    at = np.triu_indices(n, 1)
    flat = distances.reshape(networks * layers, n, n)
    return over_networks(np.corrcoef([geo_topological(d, *thresholds)[at] for d in flat]), networks)


def _thresholds(
    config: Config, run: Run, what: str, distances: dict[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """The best thresholds on these networks, mean over noise levels, and the best of neighbourhoods
    alone.
    """
    steps = np.linspace(0, 1, config.grid + 1).round(3).tolist()
    grid = [(a, b) for a in steps for b in steps if a < b or (a == b and 0 < a < 1)]
    score = {c: np.mean([_identified(d, c).value for d in distances.values()]) for c in grid}
    rows = [
        {"row": f"l = {a:g}", "column": f"u = {b:g}", "value": v} for (a, b), v in score.items()
    ]
    frame = pd.DataFrame(rows).sort_values(["column", "row"])
    caption = f"Share of {what} identified by thresholds, where they are chosen."
    titles = {"row": "lower threshold", "column": "upper threshold"}
    chart = matrix(frame, value="identified (share)", domain=(0, 1), **titles)
    run.figure(f"thresholds-{what}", chart, caption)
    run.table(f"thresholds-{what}", frame, caption)
    alone = {c: v for c, v in score.items() if c[0] == c[1]}
    best, same = (max(of, key=of.__getitem__) for of in (score, alone))
    run.log("thresholds for %s: %s; of neighbourhoods alone: %s", what, best, same)
    return {RSA: (0.0, 1.0), CHOSEN: best, TOPOLOGY: same}


def _paths(distances: np.ndarray) -> np.ndarray:
    return np.stack([[geodesic(d, 0.1) for d in own] for own in distances])
