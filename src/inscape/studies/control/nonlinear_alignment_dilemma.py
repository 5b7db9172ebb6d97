"""Does finding a variable of an algorithm in a network show that the network runs it? Not if the map may bend.

A perceptron that has learnt whether two pairs of symbols are alike in being equal, and its twin with the weights it began
with, are aligned with the algorithm's inner variables: is the first pair equal, is the second? The map from hidden layer to
variables is a subset of units, a rotation or a flow; its score is how often swapping the variable's coordinates between two
cases makes the network answer as the algorithm would. A flow aligns the random twin as well as the trained network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from inscape.charts.bars import values_by_group
from inscape.charts.layers import score_by_layer
from inscape.control.alignment_maps import AlignmentMap, RevNetMap, RotationMap, SubsetMap
from inscape.control.alignment_search import Interchange, align, inversion_error, noop, right
from inscape.core import intervals
from inscape.core.evidence import Evidence, Null, table
from inscape.core.rng import child_seed
from inscape.core.threads import one_torch_thread
from inscape.study.card import Card
from inscape.study.run import Run
from inscape.worlds.hierarchical_equality import (
    HierarchicalEquality,
    cases,
    hierarchical_equality,
    variables,
)

CARD = Card(
    slug="nonlinear-alignment-dilemma",
    title="The Non-Linear Representation Dilemma: Is Causal Abstraction Enough for Mechanistic Interpretability?",
    authors="Sutter, Minder, Hofmann and Pimentel",
    year=2025,
    arxiv="2507.08802",
    room="control",
    claim="With alignment maps that may be non-linear, even networks with random weights are found to run any algorithm: "
    "interchange accuracy says nothing without an assumption on how features are written.",
    reproduced="Hierarchical equality (four slots of five symbols) in a perceptron of three hidden layers of 32 units, "
    "trained and as it began; unit subsets, rotations and RevNet flows aligned with either equality variable on every "
    "layer, flows of several sizes on the first. The paper's second task, indirect objects in language "
    "models, is not done here.",
    controls=(
        "the same network with the weights it began with",
        "maps that were not trained",
        "an algorithm that the network does not run (are the first two symbols' parities alike?)",
        "cases with a symbol that no map was trained on",
        "swapping a case with itself",
    ),
    bar="On the first layer, fresh cases, three seeds: a flow reaches 0.95 on the random network where a rotation stays at "
    "0.65 or below, and does at most 0.05 better on the trained one; the flow inverts itself to 1e-4.",
    group_note="A group is a base case with its source, drawn afresh for the test; with five symbols all 625 cases occur in "
    "training, so the test cases are new pairs of known cases. Held-out symbols are shown beside.",
    minutes={"tiny": 0.2, "small": 5, "full": 40},
    figure="first-layer",
)


@dataclass(frozen=True)
class Config:
    """The settings of the study."""

    symbols: int = field(default=5, metadata={"help": "symbols a slot chooses from"})
    width: int = field(default=32, metadata={"help": "units of a hidden layer"})
    layers: int = field(default=3, metadata={"help": "hidden layers"})
    train_steps: int = field(default=2000, metadata={"help": "steps of training the network"})
    variable: int = field(default=8, metadata={"help": "coordinates that stand for the variable"})
    pairs: int = field(default=4, metadata={"help": "coupling pairs of the flow"})
    hidden: int = field(default=128, metadata={"help": "units of a coupling's perceptron"})
    capacities: tuple[int, ...] = field(
        default=(2, 8, 32), metadata={"help": "smaller flows, on the first layer"}
    )
    steps: int = field(default=1000, metadata={"help": "steps of training a map"})
    lr: float = field(default=3e-3, metadata={"help": "learning rate of the flow"})
    further: bool = field(
        default=True,
        metadata={"help": "also other layers, a wrong algorithm and a symbol held out"},
    )
    draws: int = field(default=20_000, metadata={"help": "pairs of cases a map is trained on"})
    test: int = field(default=3000, metadata={"help": "fresh pairs it is scored on"})
    seeds: int = field(default=3, metadata={"help": "networks, each with its twin"})

    def __post_init__(self) -> None:
        for name, least in {
            "symbols": 3,
            "layers": 1,
            "seeds": 1,
            "steps": 1,
            "variable": 1,
        }.items():
            if (value := getattr(self, name)) < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")


PRESETS = {
    "tiny": Config(
        symbols=3,
        width=16,
        layers=2,
        train_steps=600,
        variable=4,
        pairs=2,
        hidden=64,
        capacities=(),
        steps=300,
        lr=0.01,
        further=False,
        draws=4000,
        test=800,
        seeds=1,
    ),
    "small": Config(),
    "full": Config(
        capacities=(2, 4, 8, 16, 32, 64), steps=5000, draws=200_000, test=20_000, seeds=10
    ),
}

TRAINED, RANDOM = "trained network", "random weights"
KINDS = ("subset", "rotation", "flow")
FURTHER = ("wrong algorithm", "symbol held out")


@dataclass(frozen=True)
class Fitted:
    """One map on one layer of one network: which test pairs it gets right, trained and untrained."""

    where: dict[str, str | int]
    right: np.ndarray
    untrained: float
    noop: float
    inversion: float
    foreign: float


def run(config: Config, run: Run) -> None:
    """Train the networks, align every map, compare trained with random."""
    run.asked(
        "Does finding an algorithm's variable in a network show that the network runs the algorithm?"
    )
    found: list[Fitted] = []
    total = 4 * (
        config.seeds * len(_jobs(config, 1)) + len(_jobs(config, 0)) - len(_jobs(config, 1))
    )
    with run.progress("align", total, unit="maps") as bar:
        for seed in range(config.seeds):
            world = hierarchical_equality(
                config.symbols,
                config.width,
                config.layers,
                config.train_steps,
                child_seed(run.seed, "net", str(seed)),
            )
            run.log("network %d answers %.1f %% of fresh cases", seed, 100 * world.accuracy)
            if world.accuracy < 0.99:
                run.warn(
                    f"Network {seed} answers only {world.accuracy:.1%} of the cases: give it more --train-steps."
                )
            found += _of_network(config, run, world, seed, bar.advance)
    _judge(config, run, found)


def _of_network(
    config: Config, run: Run, world: HierarchicalEquality, seed: int, advance: Callable[[], None]
) -> list[Fitted]:
    """Every map on one network and its twin, for both variables."""
    jobs = _jobs(config, seed)
    out = []
    with one_torch_thread():
        for net in (TRAINED, RANDOM):
            for kind, layer, hidden, algorithm in jobs:
                for variable in (0, 1):
                    where = {
                        "network": net,
                        "seed": seed,
                        "map": kind,
                        "layer": layer,
                        "hidden": hidden,
                        "algorithm": algorithm,
                        "variable": variable,
                    }
                    out.append(_fit(config, run, world, where))
                    advance()
    return out


def _jobs(config: Config, seed: int) -> list[tuple[str, int, int, str]]:
    """Every map on the first layer; on the first network also other layers and smaller flows."""
    jobs = [(kind, 1, config.hidden, "true") for kind in KINDS]
    if config.further:
        jobs += [("flow", 1, config.hidden, what) for what in FURTHER]
        if seed == 0:
            jobs += [
                (kind, layer, config.hidden, "true")
                for kind in KINDS
                for layer in range(2, config.layers + 1)
            ]
    return jobs + [("flow", 1, hidden, "true") for hidden in config.capacities if seed == 0]


def _fit(
    config: Config, run: Run, world: HierarchicalEquality, where: dict[str, str | int]
) -> Fitted:
    net = world.trained if where["network"] == TRAINED else world.random
    layer, names = int(where["layer"]), [str(v) for v in where.values()]
    rng = run.rng("pairs", *names)
    train, test = (
        _pairs(config, net, where, rng, n, part)
        for n, part in ((config.draws, 0), (config.test, 1))
    )
    stream = torch.Generator().manual_seed(child_seed(run.seed, "map", *names) % 2**63)
    phi: AlignmentMap
    if where["map"] == "flow":
        phi = RevNetMap(config.width, config.variable, stream, config.pairs, int(where["hidden"]))
    else:
        phi = (SubsetMap if where["map"] == "subset" else RotationMap)(
            config.width, config.variable, stream
        )

    def finish(h: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return net.finish(h, layer)

    before, first = float(right(phi.eval(), test, finish).mean()), copy.deepcopy(phi)
    align(
        phi,
        train,
        finish,
        steps=config.steps,
        lr=config.lr if where["map"] == "flow" else 1e-2,
        generator=stream,
    )
    same = noop(phi, test.base, finish)
    with torch.no_grad():
        foreign = float((first.inverse(phi(test.base)) - test.base).abs().max())
    return Fitted(
        where,
        right(phi, test, finish).numpy(),
        before,
        same,
        inversion_error(phi, test.base),
        foreign,
    )


def _pairs(
    config: Config,
    net: object,
    where: dict[str, str | int],
    rng: np.random.Generator,
    n: int,
    part: int,
):
    """Pairs of cases at a layer, with what the algorithm answers when the source's variable is put into the base."""
    held = where["algorithm"] == "symbol held out"
    base, source = (_cases(config, rng, n, held, part) for _ in range(2))
    n = min(len(base), len(source))
    base, source = base[:n], source[:n]
    values, given = variables(base), variables(source)
    if where["algorithm"] == "wrong algorithm":
        # the variable is one the task has no use for; the answer is still a function of two bits
        values[:, 0], given[:, 0] = (
            (base[:, :2] % 2).sum(axis=1) % 2,
            (source[:, :2] % 2).sum(axis=1) % 2,
        )
    values[:, int(where["variable"])] = given[:, int(where["variable"])]
    answer = torch.from_numpy((values[:, 0] == values[:, 1]).astype(np.int64))
    with torch.no_grad():
        rows = [net.layer(torch.from_numpy(x), int(where["layer"])) for x in (base, source)]  # type: ignore[attr-defined]
    return Interchange(*rows, answer)


def _cases(config: Config, rng: np.random.Generator, n: int, held: bool, part: int) -> np.ndarray:
    if not held:
        return cases(n, config.symbols, rng)
    last = config.symbols - 1
    drawn = cases(12 * n, config.symbols, rng)
    has = (drawn == last).any(axis=1)
    return drawn[has if part else ~has][:n]


def _evidence(config: Config, run: Run, found: list[Fitted], **where: str | int) -> Evidence:
    """Mean accuracy over the maps that match, bootstrapped over networks where there are several, else over pairs."""
    chosen = [f for f in found if all(f.where[k] == v for k, v in where.items())]
    means = np.array([f.right.mean() for f in chosen])
    rng, rows = (
        run.rng("bootstrap"),
        np.stack([f.right[: min(len(g.right) for g in chosen)] for f in chosen]),
    )
    counts = intervals.group_counts(rows.shape[1], 500, rng=rng)
    ends = intervals.percentile((counts @ rows.mean(axis=0)) / rows.shape[1], 0.95)
    null = Null.of("the map before it was trained", [f.untrained for f in chosen])
    return Evidence(
        "interchange accuracy",
        float(means.mean()),
        (float(ends[0]), float(ends[1])),
        null,
        n=rows.shape[1] * len(chosen),
        d=config.width,
        unit="accuracy",
        where=dict(where),
    )


def _judge(config: Config, run: Run, found: list[Fitted]) -> None:
    first = {"layer": 1, "hidden": config.hidden, "algorithm": "true"}
    rows = {
        (net, kind): _evidence(config, run, found, network=net, map=kind, **first)
        for net in (TRAINED, RANDOM)
        for kind in KINDS
    }
    for what in FURTHER if config.further else ():
        for net in (TRAINED, RANDOM):
            rows[net, what] = _evidence(
                config, run, found, network=net, map="flow", **{**first, "algorithm": what}
            )
    frame = table(rows.values())
    run.table(
        "first-layer",
        frame,
        "Interchange accuracy on the first layer, mean over networks and both variables.",
    )
    bars = frame.assign(
        group=frame["network"]
        + ", "
        + frame["map"]
        + np.where(frame["algorithm"] == "true", "", ", " + frame["algorithm"]),
        null=frame["null_mean"],
    )
    chart = values_by_group(bars, value="interchange accuracy")
    run.figure(
        "first-layer",
        chart,
        "Accuracy of swapping the variable, first layer. Tick: the map before training.",
    )
    each = pd.DataFrame(
        [
            {
                **f.where,
                "accuracy": f.right.mean(),
                "untrained map": f.untrained,
                "no-op": f.noop,
                "inversion error": f.inversion,
            }
            for f in found
        ]
    )
    run.table("maps", each, "Every map that was fitted.")
    _layers(config, run, found)
    flow, turn = rows[RANDOM, "flow"], rows[RANDOM, "rotation"]
    why = "; ".join(f"{what}: {rows[RANDOM, what].value:.2f}" for what in FURTHER if config.further)
    run.claim(
        "flow",
        "A flow finds the algorithm's variable in a network with random weights",
        flow,
        0.95,
        why=why and f"{why[0].upper()}{why[1:]}.",
    )
    run.claim("rotation", "A rotation does not find it there", turn, 0.65, "at most")
    gap = rows[TRAINED, "flow"].value - flow.value
    ends = tuple(rows[TRAINED, "flow"].interval[i] - flow.interval[1 - i] for i in (0, 1))  # type: ignore[index]
    none = Null.of("rotation, trained less random", [rows[TRAINED, "rotation"].value - turn.value])
    evidence = Evidence(
        "trained less random, flow", gap, ends, none, n=flow.n, d=config.width, unit="accuracy"
    )
    run.claim(
        "gap",
        "The flow does hardly better on the trained network, so its success does not tell them apart",
        evidence,
        0.05,
        "at most",
    )
    flows = [f for f in found if f.where["map"] == "flow"]
    errors = [f.inversion for f in flows]
    other = Null.of("undone by the map before training", [f.foreign for f in flows])
    worst = Evidence(
        "largest |φ⁻¹(φ(h)) − h|", max(errors), (min(errors), max(errors)), other, n=len(flows)
    )
    run.claim("bijection", "The flow is a bijection: it inverts itself", worst, 1e-4, "at most")
    run.answer(
        f"No, not by itself. On the first layer a flow reaches {flow.value:.2f} on networks with random weights "
        f"({rows[TRAINED, 'flow'].value:.2f} on trained ones), where a rotation reaches {turn.value:.2f} "
        f"({rows[TRAINED, 'rotation'].value:.2f} trained) and a subset of units {rows[RANDOM, 'subset'].value:.2f}: what "
        "the richer map finds, it makes. Read interchange accuracy only beside that of a random twin, at the same map."
    )


def _layers(config: Config, run: Run, found: list[Fitted]) -> None:
    """Accuracy by layer for every map, and by size for flows, on the first network."""
    rows = []
    for net in (TRAINED, RANDOM):
        for kind in KINDS:
            for layer in range(1, config.layers + 1 if config.further else 1):
                e = _evidence(
                    config,
                    run,
                    found,
                    network=net,
                    map=kind,
                    layer=layer,
                    hidden=config.hidden,
                    algorithm="true",
                    seed=0,
                )
                low, high = e.interval or (np.nan, np.nan)
                rows.append(
                    {
                        "series": f"{kind}, {net}",
                        "layer": layer,
                        "value": e.value,
                        "low": low,
                        "high": high,
                    }
                )
    if config.further and config.layers > 1:
        chart = score_by_layer(
            pd.DataFrame(rows), score="interchange accuracy", layer="Hidden layer"
        )
        run.figure(
            "layers", chart, "Interchange accuracy by hidden layer, first network and its twin."
        )
    if config.capacities:
        sizes = [
            _evidence(
                config,
                run,
                found,
                network=net,
                map="flow",
                layer=1,
                hidden=h,
                algorithm="true",
                seed=0,
            )
            for net in (TRAINED, RANDOM)
            for h in (*config.capacities, config.hidden)
        ]
        run.table("capacity", table(sizes), "Flows of several sizes, first layer, first network.")
