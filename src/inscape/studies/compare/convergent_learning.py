"""Do networks of different random starts learn the same units, or only the same space?

Reference: Li, Yosinski, Clune, Lipson and Hopcroft (2016), arXiv:1511.07543; `inscape.compare`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

from inscape.charts import curves
from inscape.compare import (
    Copies,
    UnitMatches,
    every_pair,
    few_to_one,
    joint_clusters,
    matched_copies,
    mixed_share,
    unit_matches,
    varying_units,
)
from inscape.core import Measured, fact, mean_of_pairs, one_torch_thread
from inscape.learn import Budget
from inscape.nets import place_rows
from inscape.nets.plain_cnn import SHAPES
from inscape.recipes import classifier, trained
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED
from inscape.worlds import shuffled_names

CARD = Card(
    slug="convergent-learning",
    title="Convergent Learning: Do different neural networks learn the same representations?",
    authors="Li, Yosinski, Clune, Lipson and Hopcroft",
    year=2016,
    arxiv="1511.07543",
    room="compare",
    claim="Some features are learned by every network and others are not; networks share subspaces "
    "whose basis vectors differ; codes mix local and slightly distributed units.",
    reproduced="Six networks of eight convolutions on shifted and rotated digits, as many trained "
    "on shuffled labels, as many untrained. Units are matched one to one and best to any, "
    "predicted from few and clustered, on activations at all positions; matches are scored on "
    "other digits.",
    controls=(
        "a copy with its units permuted",
        "a copy rotated at random",
        "untrained networks",
        "networks trained on shuffled labels",
    ),
    claims=dict(
        permuted=Claim(
            text="A permuted copy is recovered, every unit",
            at_least=1,
            exact="a search over assignments with one right answer",
        ),
        rotated=Claim(text="Matched correlation with a rotated copy is at most 0.75", at_most=0.75),
        space=Claim(text="A linear map predicts the rotated copy, R² 0.99", at_least=0.99),
        trained=Claim(
            text="In the last convolution, matched correlation is 0.15 above untrained pairs",
            at_least=0.15,
        ),
        semi=Claim(
            text="The best partner of any kind is at least as good as the assigned one",
            at_least=0,
            exact="a maximum over more partners, checked on every pair",
        ),
        partners=Claim(
            text="Training gives units partners: fewer have none above 0.5 than in untrained "
            "networks",
            at_least=0,
            over="untrained networks",
        ),
        alone=Claim(
            text="10 % of units have no partner above 0.5, which untrained networks reach too",
            at_least=0.1,
            sanity=True,
        ),
    ),
    answer="A permuted copy is recovered ({permuted:.0%}); a rotated one matches at {rotated:.2f}, "
    "with an R² of {space:.3f}. Trained pairs match by {trained:+.2f} over untrained ones in the "
    "last convolution. {alone:.0%} of the units have no partner above 0.5, {partners:.0 points} "
    "fewer than before training.",
    # a training so short decides nothing about networks
    tiny=dict(
        permuted="supported",
        rotated="any",
        space="supported",
        trained="any",
        semi="supported",
        partners="any",
        alone="any",
    ),
    differs="The authors match AlexNet's 96 to 384 channels on ImageNet, with correlations of the "
    "rows that were fitted, and have no untrained networks; here 16 to 64 channels, and matches "
    "are scored on other digits.",
    group_note="A network is what varies: intervals leave out one at a time, with all its pairs.",
    negative="On seeds 0 to 2 0.33, 0.33 and 0.32 of the units have no partner above 0.5, and in "
    "untrained networks 0.44, 0.42 and 0.50: that there are such units does not show features that "
    "one network learns and others do not. So it is a check, and the change by training is judged: "
    "a fall by 0.11, 0.09 and 0.18, whose interval reaches zero on seeds 0 and 1.",
    seeds=3,
    minutes=dict(tiny=0.2, small=6),
    figure="matched",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    networks: int = setting(6, "of different random starts, of each kind", least=4)
    steps: int = setting(400, "of training", least=1)
    width: int = setting(16, "channels of the first layer", least=2)
    items: int = setting(200, "held-out digits, half to match units and half to score", least=20)
    rows: int = setting(3000, "positions that sparse maps are fitted on", least=50)


PRESETS = {
    "tiny": Config(networks=4, steps=20, width=4, items=40, rows=400),
    "small": Config(),
    "full": Config(networks=8, steps=4000, items=1000, rows=20_000),
}
SHUFFLED, TRAINED = "shuffled labels", "trained"


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train, match units layer by layer, and check the matching on copies."""
    run.asked("Do networks of different random starts learn the same units?")
    other = shuffled_names(rng=run.rng("labels"))
    found, images = trained(
        run,
        {
            TRAINED: classifier(config.width),
            SHUFFLED: classifier(config.width, other, role="baseline"),
        },
        budget=Budget(config.steps, equal=("parameters", "trained", "flops")),
        networks=config.networks,
        rng=run.rng("items"),
    )
    halves = images[: config.items].chunk(2)
    units = {a: [_units(net, halves) for net in nets] for a, nets in found.nets.items()}
    pairs = {a: _every_pair(own) for a, own in units.items()}
    m = Measured("matched correlation", unit="correlation")
    for a, values in pairs.items():
        for i, layer in enumerate(values.matched):
            m.put_statistic(f"{a}, layer {i + 1}", mean_of_pairs(layer), role=found.roles[a])
    last = f"layer {len(SHAPES)}"
    run.claim("trained", m.gain(f"{TRAINED}, {last}", over=f"{UNTRAINED}, {last}"))
    run.curve(
        "matched",
        [
            m.value(f"{a}, layer {i + 1}", where={"layer": i + 1, "condition": a})
            for a in pairs
            for i in range(len(SHAPES))
        ],
        "Correlation of units matched one to one, on digits that they were not matched on.",
        x="layer",
        nulls=(UNTRAINED,),
    )
    least = min(np.nanmin(v.best - v.fitted) for v in pairs.values())
    run.claim("semi", fact("least gain of the best partner", least, "correlation"))
    alone = {a: mean_of_pairs(values.alone.mean(axis=0)) for a, values in pairs.items()}
    m = Measured("units without a partner above 0.5", unit="share")
    m.put_each(alone, roles=found.roles)
    run.claim("partners", m.fall(TRAINED, below=UNTRAINED))
    why = f"In untrained networks the share is {m.value(UNTRAINED).value:.0%}."
    run.claim("alone", m.value(TRAINED), why)
    run.show("alone", m)
    _copies(run, [net[-1] for net in units[TRAINED]])
    _maps(config, run, {a: own[:2] for a, own in units.items()})


def _units(net: nn.Module, halves: tuple[torch.Tensor, ...]) -> list[list[np.ndarray]]:
    """Of each layer, the units that vary, on both halves of the digits: (positions, units)."""
    both = zip(*(place_rows(net, half) for half in halves), strict=True)
    return [varying_units(*layer) for layer in both]


def _every_pair(units: list[list[list[np.ndarray]]]) -> UnitMatches:
    """Of each layer, the matches of every network with every other, (layers, k, k)."""
    layers = zip(*units, strict=True)
    found = [every_pair(unit_matches, layer, len(units)) for layer in layers]
    return UnitMatches(*np.stack(found, axis=1))


def _copies(run: Run, networks: list[list[np.ndarray]]) -> None:
    """The last convolution beside copies of itself whose units are permuted, and rotated."""
    found = [
        matched_copies(*sides, rng=run.rng("copies", str(k))) for k, sides in enumerate(networks)
    ]
    copies = Copies(*np.transpose(found))
    m = Measured("a rotated copy of the last convolution", unit="correlation, or R²")
    m.put_each({"matched units": copies.rotated, "linear map": copies.space})
    run.claim("permuted", fact("units recovered", min(copies.recovered), "share"))
    run.claim("rotated", m.value("matched units", unit="correlation"))
    run.claim("space", m.value("linear map", unit="R²"))
    run.show("copies", m)


def _maps(config: Config, run: Run, pairs: dict[str, list[list[list[np.ndarray]]]]) -> None:
    """Sparse maps and joint clusters of one pair of networks of each kind."""
    rows, shared = [], []
    for a, (one, two) in pairs.items():
        for i, (x, y) in enumerate(zip(one, two, strict=True)):
            rng, k = run.rng("maps", a, str(i)), 2 * (i + 1)
            inside = mixed_share(*joint_clusters(x[0], y[0], k, rng=rng))
            shared.append({"networks": a, "layer": i + 1, "clusters": k, "share": inside})
            for used, r2 in few_to_one(tuple(x), tuple(y), most=config.rows, rng=rng).curve():
                rows.append({"panel": f"layer {i + 1}", "series": a, "x": used, "value": r2})
    frame = pd.DataFrame(rows)
    shown = frame[frame["panel"].isin([f"layer {i}" for i in (1, 3, 6, 8)])]
    chart = curves(shown, x="units used", y="R²", points=True, zero=False)
    caption = "R² of a unit of one network from few of another's, as the penalty falls; one pair."
    run.figure("few-to-one", chart, caption)
    run.table("few-to-one", frame, caption)
    caption = "Share of units in clusters that hold units of both networks; one pair of each kind."
    run.table("clusters", pd.DataFrame(shared), caption)
