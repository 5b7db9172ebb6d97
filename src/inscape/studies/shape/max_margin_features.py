"""Does a large margin alone decide which features a network learns?

Networks of one layer of squares learn addition modulo a prime, and the permutations of four things,
under a small penalty on their norm. Theory says which margin they end at and of which waves each
neuron is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from inscape.charts import curves
from inscape.core import Measured, fact, generator, one_torch_thread
from inscape.learn import Budget, Gradient, Watch
from inscape.nets import QuadraticNet
from inscape.shape import (
    component_power,
    highest_modular_margin,
    normalised_margin,
    phase_residual,
)
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED, Arm, Trained, arms
from inscape.worlds import GroupTable, cyclic_table, symmetric_table

CARD = Card(
    slug="max-margin-features",
    title="Feature emergence via margin maximization: case studies in algebraic tasks",
    authors="Morwani, Edelman, Oncescu, Zhao and Kakade",
    year=2024,
    arxiv="2311.07568",
    room="shape",
    claim="The largest margin alone fixes the features of a network: single frequencies for "
    "addition modulo p, single irreducible representations for groups, the right inputs for sparse "
    "parity.",
    reproduced="Networks of 128 squares that learn all pairs of addition modulo 23 by Adam, with "
    "three strengths of the penalty on the L₂,₃ norm; the same of 256 squares on the permutations of "
    "four things. Sparse parity is not done here.",
    controls=(
        "the same answers at random pairs, trained the same way",
        "the weights before training",
        "penalties ten times as strong and as weak",
    ),
    claims=dict(
        margin=Claim(
            text="The normalised margin is at least 0.9 of the highest that theory allows",
            at_least=0.9,
        ),
        largest=Claim(
            text="The largest frequency holds 0.9 of a neuron's power on average, more than after "
            "training on random tables",
            at_least=0.9,
            null="random tables",
            why="Of u, v and w the one with the smallest such share counts; the constant is a "
            "frequency of its own.",
        ),
        single=Claim(
            text="95 % of the live neurons hold 0.9 of their power in one frequency",
            at_least=0.95,
            why="Live is a neuron whose norm is above a twentieth of the largest.",
        ),
        every=Claim(
            text="Every frequency is some neuron's, in each network",
            at_least=1,
            exact="a count in the networks that were trained",
        ),
        agree=Claim(
            text="In 95 % of the live neurons u, v and w have the same frequency", at_least=0.95
        ),
        group=Claim(
            text="Of permutations, 95 % of the live neurons hold 0.9 of their power in one "
            "irreducible representation",
            at_least=0.95,
        ),
        random=Claim(
            text="After training on random tables the largest frequency holds less than 0.4",
            at_most=0.4,
            sanity=True,
        ),
        initial=Claim(
            text="Before training the largest frequency holds less than 0.4",
            at_most=0.4,
            sanity=True,
        ),
    ),
    answer="The margin ends at {margin:.1%} of the highest possible; {single:.0%} of the live "
    "neurons are waves of one frequency and {group:.0%} of those that learn permutations belong to "
    "one irreducible representation. On random tables the largest frequency holds {random:.0%} of "
    "a neuron's power.",
    # modulo 7 there are three frequencies, so that one of them is large without training, and 600
    # steps are too few for the margin
    tiny=dict(
        margin="any",
        largest="any",
        single="any",
        every="supported",
        agree="any",
        group="supported",
        random="any",
        initial="any",
    ),
    differs="The prime, the group of permutations, widths and the training rule (Adam at 0.01, all "
    "pairs in each step) are chosen here; sparse parity, with units of a higher degree, is left out.",
    group_note="Margins and mean shares vary over networks, each with initial weights of its own; "
    "shares of neurons vary over the neurons of all networks.",
    seeds=3,
    minutes=dict(tiny=0.1, small=2, full=20),
    figure="cyclic-watched",
    headline="margin",
)


@dataclass(frozen=True)
class Config(Bounded):
    p: int = setting(23, "the modulus, a prime", least=5)
    width: int = setting(128, "neurons, twice as many for permutations", least=1)
    steps: int = setting(4000, "of training on all pairs", least=1)
    networks: int = setting(5, "of each kind", least=5)
    penalties: tuple[float, ...] = setting((1e-4, 1e-3, 1e-5), "λ; the first is judged")


PRESETS = {
    "tiny": Config(p=7, width=32, steps=600, penalties=(1e-4,)),
    "small": Config(),
    "full": Config(p=71, width=512, steps=20_000),
}
RANDOM, PERMUTATIONS, RATE, LIVE, CLEAR = "random table", "permutations", 0.01, 0.05, 0.9
MARGIN, LARGEST, FEATURES, PHASES = "margin / highest margin", "largest share", "features", "phases"


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Addition modulo p, then permutations."""
    run.asked("Does a large margin alone decide which features a network learns?")
    every = max(config.steps // 40, 1)
    group, permutations = cyclic_table(config.p), symmetric_table()
    shuffled = [
        group.shuffled(rng=generator(run.seed, "table", str(k))) for k in range(config.networks)
    ]
    main, penalty = f"λ = {config.penalties[0]:g}", config.penalties[0]
    found = arms(
        run,
        {f"λ = {x:g}": _arm(config.width, [group], x) for x in config.penalties}
        | {RANDOM: _arm(config.width, shuffled, penalty, role="baseline")},
        metrics={
            MARGIN: _margin,
            FEATURES: partial(_features, group),
            PHASES: partial(_phases, group),
        },
        budget=Budget(config.steps),
        seeds=config.networks,
        watch=[
            Watch(MARGIN, _margin, every),
            Watch(LARGEST, lambda net: _features(group, net)[:, 1].mean(), every),
        ],
        name="cyclic",
    )
    others = arms(
        run,
        {PERMUTATIONS: _arm(2 * config.width, [permutations], penalty)},
        metrics={FEATURES: partial(_features, permutations)},
        budget=Budget(config.steps),
        seeds=config.networks,
        watch=[Watch(LARGEST, lambda net: _features(permutations, net)[:, 1].mean(), every)],
        name="permutations",
    )
    _claims(run, found, main, len(group.names) - 1)
    own = others.values[FEATURES][PERMUTATIONS]
    one = Measured("neurons of one irreducible representation", unit="share of live neurons")
    one.put_each({PERMUTATIONS: own[own[..., 0] > 0][:, 1] >= CLEAR})
    run.claim("group", one.value(PERMUTATIONS))
    ranked = {**found.values[FEATURES], PERMUTATIONS: own}
    rows = [
        {"series": arm, "x": np.linspace(0, 1, len(net)), "value": np.sort(net[:, 1])}
        for arm, (net, *_) in ranked.items()
    ]
    run.figure(
        "neurons",
        curves(pd.concat(map(pd.DataFrame, rows)), x="neuron, by rank", y=LARGEST),
        "The share of each neuron's power in its largest frequency, or of permutations in its "
        "largest irreducible representation, of one network of each kind.",
    )


def _arm(width: int, tables: list[GroupTable], penalty: float, role: Any = "treatment") -> Arm:
    return Arm(
        net=lambda k: QuadraticNet(tables[k % len(tables)].table, width),
        batches=lambda rng, k: None,
        objective=lambda net, all_pairs: net.loss() + penalty * net.norm_cubed(),
        update=Gradient(lr=RATE),
        role=role,
    )


def _margin(net: Any, k: int = 0) -> float:
    found = normalised_margin(net(), net.answers, net.norm_cubed())
    return float(found) / highest_modular_margin(len(net.u))


def _features(group: GroupTable, net: Any, k: int = 0) -> np.ndarray:
    """Of each neuron: is it live, the largest share of the least clear of u, v and w, do the three
    agree, and the component; (m, 4).
    """
    weights = np.stack([x.numpy() for x in (net.u, net.v, net.w)])
    shares = np.stack([component_power(x, group.projections) for x in weights])
    norm, top = np.sqrt(np.square(weights).sum(axis=(0, 1))), shares.argmax(axis=2)
    columns = (
        norm > LIVE * norm.max(),
        shares.max(axis=2).min(axis=0),
        (top == top[0]).all(axis=0),
        top[0],
    )
    return np.column_stack(columns)


def _phases(group: GroupTable, net: Any, k: int) -> np.ndarray:
    frequency = _features(group, net, k)[:, 3]
    return phase_residual(net.u.numpy(), net.v.numpy(), net.w.numpy(), frequency)


def _claims(run: Run, found: Trained, main: str, frequencies: int) -> None:
    margin = found.measured(MARGIN, unit="share of the highest", over="pair")
    run.claim("margin", margin.value(main))
    run.show("margin", margin)
    features = found.values[FEATURES]
    mean = {arm: [net[net[:, 0] > 0, 1].mean() for net in every] for arm, every in features.items()}
    largest = Measured(LARGEST, unit="share of a neuron's power", kind="bounded")
    largest.put_each(mean, roles=found.roles)
    largest.put_draws("random tables", mean[RANDOM], expensive=True)
    run.claim("largest", largest.value(main, null="random tables"))
    run.claim("random", largest.value(RANDOM))
    run.claim("initial", largest.value(UNTRAINED))
    run.show("largest", largest)
    live = features[main][..., 0] > 0
    neurons, phases = features[main][live], found.values[PHASES][main][live]
    shares = Measured("live neurons", unit="share of live neurons")
    shares.put_each({"one frequency": neurons[:, 1] >= CLEAR, "agreement": neurons[:, 2]})
    run.claim("single", shares.value("one frequency"))
    why = f"Their phases miss θ_u + θ_v = θ_w by {phases.mean():.3f} radians on average."
    run.claim("agree", shares.value("agreement"), why=why)
    there = [len({*net[net[:, 0] > 0, 3]} - {0.0}) / frequencies for net in features[main]]
    run.claim("every", fact("frequencies present, at the least", min(there), "share"))
