"""How does the curvature of the manifold of pictures change from layer to layer, and does its last
step tell generalisation?

Convolutional networks of digits learn from few digits and from many; the curvature of what small
changes of a picture do is measured at every layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from inscape.charts import curves, points
from inscape.core import Measured, fact, one_torch_thread, permuted_ranks
from inscape.learn import Budget
from inscape.nets import layer_rows
from inscape.nets.plain_cnn import SHAPES
from inscape.recipes import noisy_classifier
from inscape.shape import bent, faded, known_curvature
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED, Arm, arms
from inscape.worlds import drawn_digits, moved, noisy, shuffled_names

CARD = Card(
    slug="curvature-profile",
    title="Data Representations' Study of Latent Image Manifolds",
    authors="Kaufman and Azencot",
    year=2023,
    arxiv="2305.19730",
    room="shape",
    claim="Trained networks share a profile of mean absolute principal curvature: a step, a "
    "plateau and a last step, which untrained ones lack; the last step goes with generalisation, "
    "intrinsic dimension does not.",
    reproduced="Networks of eight convolutions on scikit-learn's digits, placed, turned and noisy: "
    "four random starts on all 1,297 digits, on shuffled labels and untrained; and twelve trained "
    "on 20 to 1,297 digits, with and without mixup. Curvature at ten layers of digits of other "
    "writers.",
    controls=(
        "spheres and planes of known curvature",
        "the untrained networks",
        "networks trained on shuffled labels",
        "networks permuted",
        "intrinsic dimension (TwoNN) in place of curvature",
    ),
    claims=dict(
        sphere=Claim(
            text="Spheres give one over their radius to 15 %",
            at_most=0.15,
            sanity=True,
            exact="the largest error over spheres that were drawn",
        ),
        plane=Claim(
            text="A plane gives less than 0.02",
            at_most=0.02,
            sanity=True,
            exact="the curvature of planes that were drawn",
        ),
        step=Claim(
            text="The last layer's curvature is 1.5 times that of the plateau", at_least=1.5
        ),
        untrained=Claim(text="In untrained networks it is at most 1.2 times", at_most=1.2),
        scaled=Claim(text="In units of each layer's spread it is still 1.5 times", at_least=1.5),
        gap=Claim(
            text="Last step and held-out accuracy are rank-correlated by 0.6",
            at_least=0.6,
            null="networks permuted",
        ),
    ),
    answer="The last layer is {step:.1f} times as curved as the plateau, {untrained:.1f} times in "
    "untrained networks, and {scaled:.1f} times in units of each layer's spread; the last step "
    "correlates with accuracy by {gap:.2f}.",
    # few short trainings decide nothing about networks
    tiny=dict(
        sphere="supported", plane="supported", step="any", untrained="any", scaled="any", gap="any"
    ),
    differs="The authors train ResNets and VGGs on CIFAR and set singular values to zero; here the "
    "smallest are scaled by random factors, or squares could not be told from the values "
    "themselves, and the dimension of the fit is TwoNN's, at most their number. The last step is "
    "(last − before) / plateau. Curvature is per length, so layers of other scales are compared in "
    "units of their spread too.",
    group_note="A network is what varies: of the first two claims one of four random starts, of "
    "the third one of twelve trainings.",
    negative="On seeds 0 to 2 untrained networks' last layer is 4,331, 4,873 and 4,496 times as "
    "curved as their plateau: their states shrink from layer to layer. In units of spread it is "
    "5.3 and 5.7 times on seeds 1 and 2, where trained networks have 5.1 and 4.2 and those of "
    "shuffled labels 8.1 and 6.5: the last step comes with the mean over positions and the "
    "classifier, whatever was learnt. What training adds is the rise from the first layer to the "
    "plateau (2.0 to 7.5 on seed 1, untrained 2.1 to 2.4). The last step and accuracy are "
    "rank-correlated by 0.35, 0.30 and 0.30, in units of spread by 0.54 and 0.63.",
    seeds=3,
    minutes=dict(tiny=0.2, small=5),
    figure="profile",
)


@dataclass(frozen=True)
class Config(Bounded):
    sizes: tuple[int, ...] = setting((20, 50, 120, 300, 700, 1297), "training digits, rising")
    networks: int = setting(4, "random starts on the last size", least=2)
    steps: int = setting(400, "of training", least=1)
    width: int = setting(8, "channels of the first layer", least=2)
    items: int = setting(40, "digits at which curvature is measured", least=4)
    neighbours: int = setting(128, "of each of them", least=50)


PRESETS = {
    "tiny": Config(sizes=(20, 1297), networks=2, steps=20, width=4, items=6, neighbours=60),
    "small": Config(),
    "full": Config(steps=4000, width=16, items=400, neighbours=512),
}
NOISE, PARTS = 0.1, 8
LAYERS = (*(f"convolution {i + 1}" for i in range(len(SHAPES))), "mean over positions", "logits")
#: of the layers above: what is between the first and the last two
PLATEAU = slice(1, len(SHAPES))
TRAINED, SHUFFLED = "trained", "shuffled labels"
MEASURES = ["curvature", "scaled", "dimension"]


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Check the estimator, train, and measure every layer."""
    run.asked("How does the curvature of the manifold of pictures change from layer to layer?")
    known = known_curvature(config.neighbours, rng=run.rng("known"))
    run.claim("sphere", fact("largest relative error on spheres", known.sphere, "share"))
    run.claim("plane", fact("curvature of planes", known.plane, "1 / length"))
    new, truth = drawn_digits(None, False, rng=run.rng())
    new = noisy(moved(new, rng=run.rng("views")), NOISE, rng=run.rng("noise"))
    chosen = run.rng("items").permutation(len(new))[: config.items]
    near = faded(new[chosen].numpy(), config.neighbours, PARTS, rng=run.rng("neighbours"))
    looked = partial(_profile, new=new, chosen=chosen, near=near)
    right = {"accuracy": lambda net, k: (net(new).argmax(1) == truth).numpy()}
    last = config.sizes[-1]
    other = shuffled_names(rng=run.rng("labels"))
    starts = arms(
        run,
        {TRAINED: _arm(config, run, last), SHUFFLED: _arm(config, run, last, names=other)},
        metrics=right,
        budget=Budget(config.steps),
        seeds=config.networks,
        name="starts",
    )
    run.show("accuracy", starts.measured("accuracy", unit="accuracy"))
    frame = pd.concat(
        looked(net).assign(networks=kind, network=k)
        for kind, nets in starts.nets.items()
        for k, net in enumerate(nets)
    )
    by = frame.groupby(["networks", "layer", "depth"], as_index=False, sort=False)
    mean = by[MEASURES].mean()
    shown = mean.rename(columns={"networks": "series", "depth": "x"})
    run.figure(
        "profile",
        curves(
            shown.assign(value=np.log10(mean["scaled"])),
            x="layer",
            y="log₁₀ curvature × spread",
            points=True,
            nulls=(UNTRAINED,),
            zero=False,
        ),
        "Mean absolute curvature by layer, in units of its spread, mean over random starts; the "
        "last is the logits. The table has TwoNN beside.",
        mean,
    )
    raw, scaled = (
        Measured(f"{name} of the last layer over the plateau", unit="ratio")
        for name in ("curvature", "curvature × spread")
    )
    roles = {SHUFFLED: "baseline", UNTRAINED: "reference"}
    for m, measure in ((raw, "curvature"), (scaled, "scaled")):
        wide = frame.pivot(index=["networks", "network"], columns="depth", values=measure)
        ratio = wide.iloc[:, -1] / wide.iloc[:, PLATEAU].median(axis=1)
        m.put_each({kind: ratio[kind] for kind in starts.nets}, roles=roles)
    run.claim("step", raw.value(TRAINED))
    run.claim("untrained", raw.value(UNTRAINED))
    run.claim("scaled", scaled.value(TRAINED))
    run.show("last", raw)
    run.show("last-scaled", scaled)
    _sizes(config, run, looked, right)


def _arm(
    config: Config, run: Run, size: int, names: Tensor | None = None, mixed: bool = False
) -> Arm:
    images, true = drawn_digits(None, True, rng=run.rng())
    known = run.rng("order").permutation(len(images))[:size]
    labels = true if names is None else names
    return noisy_classifier(config.width, images[known], labels[known], noise=NOISE, mixed=mixed)


@torch.no_grad()
def _profile(
    net: Any, new: Tensor, chosen: np.ndarray, near: Float[np.ndarray, "n k c h w"]
) -> pd.DataFrame:
    """Curvature and intrinsic dimension at every layer of a network."""
    around = layer_rows(net, torch.from_numpy(near).float().flatten(0, 1), readout=True)
    found = [
        bent(states, chosen, beside.reshape(*near.shape[:2], -1), PARTS)
        for states, beside in zip(layer_rows(net, new, readout=True), around, strict=True)
    ]
    return pd.DataFrame(found).assign(layer=LAYERS, depth=range(len(LAYERS)))


def _sizes(config: Config, run: Run, looked: Any, right: Any) -> None:
    """Twelve networks of different training sets: does the last step go with accuracy?"""
    kinds = {
        f"{size} digits{', mixup' * mixed}": (size, mixed)
        for mixed in (False, True)
        for size in config.sizes
    }
    found = arms(
        run,
        {name: _arm(config, run, size, mixed=mixed) for name, (size, mixed) in kinds.items()},
        metrics=right,
        budget=Budget(config.steps),
        name="sizes",
    )
    rows = []
    for name, (size, mixed) in kinds.items():
        own = looked(found.nets[name][0])
        steps = {
            f"last step{words}": (x.iloc[-1] - x.iloc[-2]) / x.iloc[PLATEAU].median()
            for words, x in (("", own["curvature"]), (", scaled", own["scaled"]))
        }
        rows.append(
            {"network": name, "digits": size, "mixup": mixed, **steps}
            | {"accuracy": found.values["accuracy"][name].mean()}
            | {"last dimension": own["dimension"].iloc[-1]}
        )
    frame = pd.DataFrame(rows)
    run.table("sizes", frame, "Every network: its training set, accuracy, last step and dimension.")
    ranks = permuted_ranks(
        "rank correlation of accuracy",
        frame,
        ("last step", "last step, scaled", "last dimension"),
        "accuracy",
        rng=partial(run.rng, "permuted"),
        kind="networks permuted",
    )
    run.claim("gap", ranks["last step"])
    run.show("correlations", list(ranks.values()), "Rank correlation with held-out accuracy.")
    shown = frame.rename(columns={"last step": "x", "accuracy": "value", "network": "name"})
    chart = points(
        shown.assign(series=np.where(shown["mixup"], "mixup", "no mixup")),
        x="last step of curvature (plateaus)",
        y="held-out accuracy",
    )
    run.figure("sizes", chart, "Held-out accuracy of each network against its last step.")
