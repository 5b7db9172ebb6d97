"""Does a hidden layer keep the geometry of its inputs or take on that of its targets?

Networks of one hidden layer learn four clusters whose labels range from exclusive-or to a direction
of their own, with activation functions that saturate on two sides, on one, or on none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inscape.charts import curves
from inscape.compare import cka_biased
from inscape.core import Measured, generator, one_torch_thread
from inscape.learn import Budget
from inscape.shape import cross_condition, parallelism
from inscape.study import Arm, Bounded, Card, Claim, Run, arms, setting
from inscape.worlds import Clusters, separable_clusters

CARD = Card(
    slug="relu-tanh-geometry",
    title="Task structure and nonlinearity jointly determine learned representational geometry",
    authors="Alleman, Lindsey and Fusi",
    year=2024,
    arxiv="2401.13558",
    room="shape",
    claim="Tanh layers take on the geometry of the targets, ReLU layers keep that of the inputs.",
    reproduced="The paper's own scale: clusters at (s₁, s₂, Δ s₁ s₂) in 100 dimensions, width 100, "
    "five activations, four values of Δ, two sizes of initial weights, five networks of each. One "
    "target alone.",
    controls=(
        "the untrained layer",
        "hard tanh, softplus, leaky ReLU",
        "Δ = 2, where both geometries agree",
        "smaller initial weights",
    ),
    claims=dict(
        target=Claim(
            text="At Δ = 0.5 Tanh is more aligned with the targets, by 0.2",
            at_least=0.2,
            over="ReLU",
        ),
        input=Claim(
            text="At Δ = 0.5 ReLU is more aligned with the inputs, by 0.3",
            at_least=0.3,
            over="Tanh",
        ),
        far=Claim(text="At Δ = 2 their target alignment differs by less than 0.05", at_most=0.05),
        hard=Claim(
            text="Hard tanh is nearer to Tanh than to ReLU in target alignment at Δ = 0.5",
            at_least=0,
            over="ReLU",
        ),
        learnt=Claim(
            text="The worst network compared is 99 % accurate",
            at_least=0.99,
            sanity=True,
            exact="the least of all networks on test inputs that were drawn",
        ),
    ),
    answer="At Δ = 0.5 Tanh is {target:+.2f} more aligned with the targets than ReLU, and ReLU "
    "{input:+.2f} more with the inputs; at Δ = 2 they differ by {far:.2f}.",
    tiny=dict(target="any", input="any", far="any", hard="any", learnt="any"),
    differs="Adam at 0.001 on fresh batches of cross-entropy; alignment is of the four clusters' "
    "means, the biased kernel alignment as in the paper.",
    group_note="A group is a network with clusters of its own, so there are five.",
    seeds=3,
    minutes=dict(tiny=0.1, small=4, full=120),
    figure="alignment",
)


@dataclass(frozen=True)
class Config(Bounded):
    deltas: tuple[float, ...] = setting((0.0, 0.5, 1.0, 2.0), "Δ; 0.5 and 2 among them")
    scales: tuple[float, ...] = setting((1.0, 0.1), "of the initial weights, in PyTorch's; 1 first")
    networks: int = setting(5, "of each kind", least=3)
    steps: int = setting(500, "of training", least=1)


PRESETS = {
    "tiny": Config(deltas=(0.5, 2.0), scales=(1.0,), networks=3, steps=150),
    "small": Config(),
    "full": Config(deltas=(0.0, 0.25, 0.5, 1.0, 1.5, 2.0), networks=20, steps=2000),
}
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "Tanh": nn.Tanh,
    "ReLU": nn.ReLU,
    "hard tanh": nn.Hardtanh,
    "softplus": nn.Softplus,
    "leaky ReLU": nn.LeakyReLU,
}
WIDTH = 100


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train every kind at every Δ, then look at the hidden layer."""
    run.asked("Does a hidden layer keep the inputs' geometry or take on that of the targets?")
    kinds = list(product(config.scales, config.deltas, ACTIVATIONS))
    names = {kind: f"{kind[2]}, Δ = {kind[1]:g}, weights × {kind[0]:g}" for kind in kinds}
    found = arms(
        run,
        {name: _arm(run, config.networks, *kind) for kind, name in names.items()},
        metrics={},
        budget=Budget(config.steps),
        seeds=config.networks,
    )
    rows = [
        {"activation": kind, "Δ": delta, "weights": scale, "network": k}
        | _geometry(_clusters(run, delta, k), net, run.rng("test", str(k)))
        for (scale, delta, kind), name in names.items()
        for k, net in enumerate(found.nets[name])
    ]
    rows += [
        {"activation": "untrained", "Δ": delta, "weights": 1.0, "network": k}
        | _geometry(_clusters(run, delta, k), net, run.rng("test", str(k)))
        for delta in config.deltas
        for k, net in enumerate(found.nets["untrained"])
    ]
    frame = pd.DataFrame(rows)
    mean = frame.groupby(["activation", "Δ", "weights"], as_index=False, sort=False).mean()
    run.table("geometry", mean.drop(columns="network"), "Means over networks.")
    _claims(run, frame[frame["weights"] == 1.0])


def _clusters(run: Run, delta: float, k: int) -> Clusters:
    return separable_clusters(delta, WIDTH, rng=generator(run.seed, "clusters", str(k)))


def _arm(run: Run, networks: int, scale: float, delta: float, kind: str) -> Arm:
    def net(k: int) -> nn.Module:
        made = nn.Sequential(nn.Linear(WIDTH, WIDTH), ACTIVATIONS[kind](), nn.Linear(WIDTH, 1))
        with torch.no_grad():
            for p in made.parameters():
                p *= scale
        return made

    worlds = [_clusters(run, delta, k) for k in range(networks)]

    def batches(rng: np.random.Generator, k: int) -> tuple[Tensor, Tensor]:
        clusters = worlds[k]
        x, which = clusters.draw(64, rng=rng)
        return torch.from_numpy(x).float(), torch.from_numpy(clusters.labels[which] > 0).float()

    loss = F.binary_cross_entropy_with_logits
    return Arm(net, batches, lambda net, b: loss(net(b[0])[:, 0], b[1]), role="baseline")


@torch.no_grad()
def _geometry(clusters: Clusters, net: Any, rng: np.random.Generator) -> dict[str, float]:
    """Alignments, abstraction and selectivity of a hidden layer on fresh inputs."""
    x, which = clusters.draw(2000, rng=rng)
    h = net[:2](torch.from_numpy(x).float())
    right = (net[2](h)[:, 0].numpy() > 0) == (clusters.labels[which] > 0)
    means = np.stack([h.numpy()[which == c].mean(axis=0) for c in range(4)])
    rows = np.concatenate([h.numpy()[which == c] for c in range(4)])
    gaps = np.diff(np.sort(means, axis=0), axis=0)
    return {
        "accuracy": right.mean(),
        "target alignment": cka_biased(means, clusters.labels[:, None].astype(float)),
        "input alignment": cka_biased(means, clusters.centres),
        "parallelism": parallelism(means, clusters.labels),
        "CCGP": cross_condition(rows, np.sort(which), clusters.labels),
        # the widest gap between a unit's four means cuts off one cluster, not two
        "units for one cluster": float((gaps.argmax(axis=0) != 1).mean()),
    }


def _claims(run: Run, frame: pd.DataFrame) -> None:
    at = {
        delta: own.pivot(index="network", columns="activation") for delta, own in frame.groupby("Δ")
    }
    target, inputs, far = (
        Measured(f"{measure} at Δ = {delta:g}", unit="kernel alignment")
        for measure, delta in (
            ("target alignment", 0.5),
            ("input alignment", 0.5),
            ("target alignment", 2),
        )
    )
    for m, measure, delta in (
        (target, "target alignment", 0.5),
        (inputs, "input alignment", 0.5),
        (far, "target alignment", 2.0),
    ):
        for kind, values in at[delta][measure].items():
            role = {"Tanh": "treatment", "untrained": "reference"}.get(str(kind), "baseline")
            m.put(str(kind), values, role=role)
    run.claim("target", target.gain("Tanh", over="ReLU"))
    run.claim("input", inputs.gain("ReLU", over="Tanh"))
    apart = partial(far.combined, "difference of Tanh and ReLU", lambda a, b: np.abs(a - b))
    run.claim("far", apart("Tanh", "ReLU"))
    nearer = lambda h, t, r: np.abs(h - r) - np.abs(h - t)  # noqa: E731
    run.claim("hard", target.combined("how much nearer", nearer, "hard tanh", "Tanh", "ReLU"))
    worst = frame[frame["activation"] != "untrained"]
    accuracy = Measured("least accuracy of the networks compared", unit="accuracy")
    accuracy.put("all", [worst[worst["Δ"].isin([0.5, 2.0])]["accuracy"].min()])
    run.claim("learnt", replace(accuracy.value("all"), warnings=()))
    run.show("target", target)
    run.show("input", inputs)
    mean = frame.groupby(["activation", "Δ"], as_index=False, sort=False).mean(numeric_only=True)
    names = {"activation": "series", "Δ": "x", "variable": "panel"}
    shown = mean.melt(["activation", "Δ"], ["target alignment", "input alignment"]).rename(
        columns=names
    )
    chart = curves(shown, x="Δ", y="kernel alignment", nulls=("untrained",), points=True)
    caption = "Alignment of the clusters' hidden means with targets and inputs, mean over networks."
    run.figure("alignment", chart, caption)
