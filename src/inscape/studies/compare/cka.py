"""Which similarity finds the same layer in a network of another random start?

Reference: Kornblith, Norouzi, Lee and Hinton (2019), arXiv:1905.00414; `inscape.compare`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from inscape.charts import cells, matrix
from inscape.compare import (
    Span,
    between_networks,
    cka_biased,
    every_pair,
    fitted_similarities,
    linear_cka,
    linear_table,
    over_networks,
    rbf_table,
    shifts,
    similarity_map,
)
from inscape.core import Measured, fact, one_torch_thread
from inscape.learn import Budget
from inscape.nets.plain_cnn import SHAPES
from inscape.recipes import classifier, trained
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED

CARD = Card(
    slug="cka",
    title="Similarity of Neural Network Representations Revisited",
    authors="Kornblith, Norouzi, Lee and Hinton",
    year=2019,
    arxiv="1905.00414",
    room="compare",
    claim="CKA finds corresponding layers of networks trained from different random starts; "
    "measures that any invertible linear map leaves alone cannot, once width exceeds samples.",
    reproduced="Eight networks of eight convolutions on shifted and rotated digits. For each layer "
    "of one, the most similar layer of another, by six measures of the activations at all "
    "positions; beside it the same of activations averaged over positions, fewer than the items. "
    "Transformers and sweeps of width and depth are left out.",
    controls=("permuted items", "the untrained networks", "independent noise"),
    claims=dict(
        match=Claim(
            text="Linear CKA identifies 70 % of layers", at_least=0.7, null="items permuted"
        ),
        above=Claim(text="It is 25 points above mean CCA", at_least=0.25, over="mean CCA"),
        orthogonal=Claim(
            text="An orthogonal map moves CKA by at most 1e-6",
            at_most=1e-6,
            exact="an identity, checked on every layer of every network",
        ),
        invertible=Claim(text="An ill-conditioned invertible map moves CKA by 0.1", at_least=0.1),
        canonical=Claim(
            text="The same map moves mean CCA by at most 1e-4",
            at_most=1e-4,
            exact="an identity, checked on every layer of every network",
        ),
        one=Claim(
            text="With fewer items than neurons, CCA of independent noise is 1",
            at_least=0.999999,
            exact="an identity, checked on random draws",
        ),
        zero=Claim(text="Debiased CKA of that noise is within 0.05 of 0", at_most=0.05),
    ),
    answer="Linear CKA identifies {match:.0%} of the layers, {above:.0 points} more than mean CCA. An "
    "ill-conditioned map moves it by {invertible:.2f} and CCA by {canonical:.0e}; on noise with "
    "fewer items than neurons CCA is {one:.2f} and debiased CKA {zero:.3f} away from 0.",
    # a training so short decides nothing about networks
    tiny=dict(
        match="any",
        above="any",
        orthogonal="supported",
        invertible="any",
        canonical="supported",
        one="supported",
        zero="supported",
    ),
    differs="The authors train ten networks on CIFAR-10 and compare 10,000 test images; CKA here "
    "is the debiased one, and layers that tie share the hit.",
    group_note="A network is what varies: intervals leave out one at a time, with all its pairs.",
    negative="On seeds 0 to 2 linear CKA identifies 52 to 59 % of the layers, not 70 %: on grey "
    "digits the first four layers hold nearly the same (CKA 0.88 to 0.96 with each other). A "
    "training of four times the length changes nothing (0.55).",
    seeds=3,
    minutes=dict(tiny=0.2, small=6),
    figure="identified",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    networks: int = setting(8, "of different random starts", least=3)
    steps: int = setting(400, "of training", least=1)
    width: int = setting(8, "channels of the first layer", least=2)
    items: int = setting(200, "held-out digits that are compared", least=20)
    draws: int = 99


PRESETS = {
    "tiny": Config(networks=3, steps=20, width=4, items=60),
    "small": Config(),
    "full": Config(networks=10, steps=4000, items=1000, draws=199),
}
LINEAR, PERMUTED = "linear CKA", "items permuted"
FITTED = ("mean CCA", "mean CCA²", "PWCCA", "regression")
#: singular values of the ill-conditioned map, as powers of ten
CONDITION = (0, -2)


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train, match layers, and check what each measure ignores."""
    run.asked("Which similarity finds the same layer in a network of another random start?")
    found, images = trained(
        run,
        {"trained": classifier(config.width)},
        budget=Budget(config.steps),
        networks=config.networks,
        rng=run.rng("items"),
    )
    with torch.no_grad():
        states = {
            arm: [h.double() for net in nets for h in net.layers(images[: config.items])]
            for arm, nets in found.nets.items()
        }
    flat, fresh = ([h.flatten(1).numpy() for h in states[arm]] for arm in ("trained", UNTRAINED))
    means = [h.mean(dim=(2, 3)).numpy() for h in states["trained"]]
    moved = shifts(config.items, config.draws, rng=run.rng("shifts"))
    linear = similarity_map([linear_table(x) for x in flat], shifts=moved)
    maps = {
        LINEAR: linear.values,
        "RBF CKA": similarity_map([rbf_table(x) for x in flat]).values,
        **_fitted(config, flat),
        "SVCCA": _fitted(config, flat, 0.99)["mean CCA"],
        f"{LINEAR}, mean over positions": similarity_map([linear_table(x) for x in means]).values,
        "mean CCA, mean over positions": _fitted(config, means)["mean CCA"],
        f"{LINEAR}, untrained": similarity_map([linear_table(x) for x in fresh]).values,
    }
    m = Measured("layers identified", unit="share")
    for name, values in maps.items():
        role = "treatment" if name == LINEAR else "baseline"
        m.put_statistic(name, over_networks(values, config.networks), role=role)
    drawn = between_networks(linear.draws, config.networks)
    m.put_draws(PERMUTED, np.nanmean(drawn, axis=(1, 2)))
    run.claim("match", m.value(LINEAR, null=PERMUTED))
    run.claim("above", m.gain(LINEAR, over="mean CCA"))
    run.show("identified", m, "Layers identified; a guess gives 1 of 8.", null=PERMUTED)
    for name in (LINEAR, "SVCCA"):
        mean = _mean_map(maps[name], config.networks)
        titles = {"row": "layer of one network", "column": "layer of another network"}
        chart = matrix(mean, value=name, domain=(0, 1), cell=52, **titles)
        caption = f"{name} of layers of two networks, mean over pairs of networks."
        run.figure(name.lower().replace(" ", "-"), chart, caption)
    _invariances(config, run, means)
    _noise(config, run)


def _fitted(
    config: Config, layers: list[np.ndarray], variance: float = 1.0
) -> dict[str, np.ndarray]:
    spans = [Span.of(x, variance=variance) for x in layers]
    return dict(zip(FITTED, every_pair(fitted_similarities, spans, config.networks), strict=True))


def _mean_map(values: np.ndarray, networks: int) -> pd.DataFrame:
    """Similarity of layer s of one network to layer t of another, mean over ordered pairs."""
    depth = len(SHAPES)
    blocks = values.reshape(networks, depth, networks, depth).swapaxes(1, 2)
    mean = blocks[~np.eye(networks, dtype=bool)].mean(axis=0)
    names = [f"layer {i + 1}" for i in range(depth)]
    return cells(mean, names)


def _invariances(config: Config, run: Run, layers: list[np.ndarray]) -> None:
    """How far an orthogonal and an ill-conditioned map of one side move CKA and CCA."""
    changes, depth = [], len(SHAPES)
    for i, x in enumerate(layers):
        y, rng = layers[(i + depth) % len(layers)], run.rng("maps", str(i))
        one, other = (np.linalg.qr(rng.normal(size=2 * x.shape[1:]))[0] for _ in range(2))
        turned = x @ one
        bent = turned * np.logspace(*CONDITION, x.shape[1]) @ other
        cka = [linear_cka(a, y) for a in (x, turned, bent)]
        cca = [fitted_similarities(Span.of(a), Span.of(y)).cca for a in (x, bent)]
        changes.append((abs(cka[1] - cka[0]), abs(cka[2] - cka[0]), abs(cca[1] - cca[0])))
    turned, bent, canonical = np.array(changes).T
    m = Measured(
        "change of CKA", groups=np.arange(len(layers)) // depth, unit="CKA", direction="higher"
    )
    m.put("orthogonal map", turned)
    m.put("ill-conditioned map", bent)
    run.claim("orthogonal", fact("largest change of CKA", turned.max(), "CKA"))
    run.claim("invertible", m.value("ill-conditioned map"))
    run.claim("canonical", fact("largest change of mean CCA", canonical.max(), "CCA"))
    run.show("invariances", m)


def _noise(config: Config, run: Run) -> None:
    """What independent noise gives where neurons are twice as many as items."""
    rng, n = run.rng("noise"), config.items
    m = Measured("distance of CKA of noise from 0", unit="CKA")
    drawn = [rng.normal(size=(2, n, 2 * n)) for _ in range(20)]
    cca = [fitted_similarities(*map(Span.of, pair)).cca for pair in drawn]
    m.put("debiased CKA", [abs(linear_cka(*pair)) for pair in drawn])
    m.put("biased CKA", [cka_biased(*pair) for pair in drawn], role="reference")
    run.claim("one", fact("least mean CCA of noise", min(cca), "CCA"))
    run.claim("zero", m.value("debiased CKA"))
    run.show("noise", m)
