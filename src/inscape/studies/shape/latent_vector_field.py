"""Where do encoding and decoding lead when they are repeated, and what does that say of memory?

Autoencoders of few and of many digits are iterated from digits they never saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import ortho_group
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from inscape.charts import curves
from inscape.core import Measured, least_fall, least_of, one_torch_thread
from inscape.learn import Budget, Gradient
from inscape.nets import Autoencoder
from inscape.recipes import denoiser
from inscape.shape import attractors, follow, pursuit_error, spectral_radius
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED, arms
from inscape.worlds import drawn_digits

CARD = Card(
    slug="latent-vector-field",
    title="Navigating the Latent Space Dynamics of Neural Models",
    authors="Fumero et al.",
    year=2025,
    arxiv="2505.22785",
    room="shape",
    claim="Autoencoders carry a latent vector field whose attractors tell memory from "
    "generalisation, expose what the weights prefer without data, and flag inputs from elsewhere.",
    reproduced="Autoencoders of scikit-learn's digits with 8 bounded latents and noisy inputs, "
    "trained on 10 to 1,297 digits; 500 digits of other writers are followed for 2,000 steps.",
    controls=(
        "the untrained autoencoder",
        "the training sets from 10 to 1,297 digits",
        "as dictionaries: as many of the points that the noise starts from, drawn 39 times, and "
        "orthogonal directions",
        "reconstruction error and neighbours as scores of inputs from elsewhere",
    ),
    claims=dict(
        converge=Claim(text="In every network 95 % of trajectories come to rest", at_least=0.95),
        memory=Claim(text="Trained on 10 digits, 90 % end at a training digit", at_least=0.9),
        general=Claim(text="Trained on 1,297, at most 10 % do", at_most=0.1),
        fewer=Claim(
            text="From each size to the next the share does not rise, at the least fall",
            at_least=0,
            over="the next smaller training set",
        ),
        dictionary=Claim(
            text="Four of all attractors found from noise rebuild latents better than four of as "
            "many random points",
            at_least=0,
            null="as many random points",
            why="Each draw takes as many of the points where the noise starts as there are "
            "attractors.",
        ),
    ),
    answer="{converge:.0%} of trajectories come to rest at least. {memory:.0%} end at a training "
    "digit after training on the smallest set, {general:.0%} on the largest. Attractors explain "
    "{dictionary:+.1 points} more of the latents' variance than as many random points "
    "({dictionary.verdict}).",
    tiny=dict(converge="any", memory="any", general="any", fewer="any", dictionary="any"),
    differs="The authors use convolutional autoencoders of larger pictures and pretrained ones; "
    "noise on inputs is what makes these contract. They compare attractors with an orthogonal "
    "basis; four of many atoms rebuild more than four of eight, whatever the atoms are, so the "
    "claim compares with as many.",
    group_note="Digits that are followed come from writers of none of the training digits.",
    negative="On seeds 0 to 2, 53, 40 and 56 % of trajectories still end at a training digit after "
    "training on 1,297 (3 % of the held-out digits themselves lie as near to one): 31 attractors "
    "are left on seed 0, near single digits. On 10 and on 30 digits all do on seeds 0 and 1, so "
    "the least fall is 0, and on seed 2 the share rises again at one step. Trajectories tell "
    "turned digits with an AUC of 0.66, reconstruction error and neighbours with 1.00.",
    seeds=3,
    minutes=dict(tiny=0.1, small=3, full=20),
    figure="memory",
)


@dataclass(frozen=True)
class Config(Bounded):
    sizes: tuple[int, ...] = setting((10, 30, 100, 400, 1297), "training digits, rising")
    steps: int = setting(6000, "of training", least=1)
    noise: float = setting(0.2, "standard deviation of the noise on inputs", least=0)
    iterations: int = setting(2000, "of each trajectory", least=1)


PRESETS = {
    "tiny": Config(sizes=(10, 400), steps=600, iterations=300),
    "small": Config(),
    "full": Config(steps=60_000, iterations=10_000),
}
LATENT, SPARSE, REST, EARLY, DRAWS = 8, 4, 1e-3, 20, 39
ATTRACTORS, BASIS, STARTS = "attractors", "orthogonal directions", "as many random points"


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train, follow, count."""
    run.asked("Where do encoding and decoding lead when they are repeated?")
    (bank, _), (test, _) = (drawn_digits(None, known, rng=run.rng()) for known in (True, False))
    bank, new = bank[run.rng("order").permutation(len(bank))].flatten(1), test.flatten(1)
    turned = test.rot90(1, (2, 3)).flatten(1)
    rule = Gradient(schedule="cosine")
    found = arms(
        run,
        {
            f"{n:,} digits": denoiser(lambda: Autoencoder(64, LATENT), bank[:n], config.noise, rule)
            for n in config.sizes
        },
        metrics={},
        budget=Budget(config.steps),
    )
    sizes = {UNTRAINED: config.sizes[-1]} | {f"{n:,} digits": n for n in config.sizes}
    looked = {
        arm: _follow(config, found.nets[arm][0], bank[:n], new, run) for arm, n in sizes.items()
    }
    rest = Measured("trajectories that come to rest", unit="share")
    near = Measured("trajectories that end at a training digit", unit="share")
    for m, what in ((rest, "rest"), (near, "near")):
        m.put_each({arm: one[what] for arm, one in looked.items()}, roles={UNTRAINED: "reference"})
    trained = list(looked)[1:]
    explained = _explained([looked[arm] for arm in trained], run.rng("dictionaries"))
    run.claim("converge", rest.combined("least share", least_of, *trained, kind="share"))
    run.claim("memory", near.value(trained[0]))
    run.claim("general", near.value(trained[-1]))
    run.claim("fewer", near.combined("least fall of the share", least_fall, *trained, kind="gain"))
    run.claim("dictionary", explained.gain(ATTRACTORS, over=STARTS, null=STARTS))
    run.show("dictionary", explained)
    rows = [{"training set": arm, **one["row"]} for arm, one in looked.items()]
    caption = (
        "Attractors reached from held-out digits and from noise, and the median over them of the "
        "largest |eigenvalue| of the Jacobian."
    )
    run.table("attractors", pd.DataFrame(rows), caption)
    shown = [
        {
            "series": m.name,
            "x": np.log10(sizes[arm]),
            "value": e.value,
            "low": e.ends[0],
            "high": e.ends[1],
        }
        for m in (rest, near)
        for arm in trained
        for e in (m.value(arm),)
    ]
    run.figure(
        "memory",
        curves(pd.DataFrame(shown), x="log10 of the training digits", y="share", points=True),
        (
            "Trajectories from held-out digits: how many come to rest, and how many of all end at "
            "a training digit."
        ),
    )
    _elsewhere(config, run, found.nets[trained[-1]][0], bank[: config.sizes[-1]], new, turned)


@torch.no_grad()
def _follow(config: Config, net: Any, known: Tensor, new: Tensor, run: Run) -> dict[str, Any]:
    """Where held-out digits and noise go in one network."""
    z = net.encode(new)
    found = follow(net.round_trip, z, config.iterations)
    apart = torch.pdist(known).median()
    distance = torch.cdist(net.decode(found.ends), known).amin(1)
    start = torch.from_numpy(run.rng("noise").normal(size=(1000, LATENT))).float().tanh()
    still = follow(net.round_trip, start, config.iterations)
    own, _ = attractors(found.ends, 0.05)
    free, _ = attractors(still.ends, 0.05)
    directions = torch.from_numpy(ortho_group(LATENT, seed=run.rng("basis")).rvs()).float()
    return {
        "rest": (found.speed < REST).numpy(),
        "near": (distance < apart / 4).numpy(),
        "latents": z,
        ATTRACTORS: free,
        BASIS: directions,
        STARTS: start,
        "row": {
            "from digits": len(own),
            "from noise": len(free),
            "spectral radius": float(np.median(spectral_radius(net.round_trip, own))),
            "ends at a training digit": float((distance < apart / 4).float().mean()),
        },
    }


def _explained(looked: list[dict[str, Any]], rng: np.random.Generator) -> Measured:
    """R² of the held-out digits' latents rebuilt from four atoms, over all trained networks: from
    attractors, from as many of the noise's starting points in each draw, and from orthogonal
    directions."""
    m = Measured("variance of latents explained by four atoms", kind="r2", unit="R²")
    base = [(one["latents"] - one["latents"].mean(0)).square().sum(1).numpy() for one in looked]
    for name in (ATTRACTORS, BASIS):
        losses = [pursuit_error(one["latents"], one[name], SPARSE) for one in looked]
        role = "baseline" if name == BASIS else "treatment"
        m.put(name, np.concatenate(losses), np.concatenate(base), role=role)
    drawn = []
    for one in looked:
        few = partial(rng.choice, len(one[STARTS]), len(one[ATTRACTORS]), replace=False)
        errors = [pursuit_error(one["latents"], one[STARTS][few()], SPARSE) for _ in range(DRAWS)]
        drawn.append(np.stack(errors))
    m.put(STARTS, np.concatenate(drawn, axis=1), np.concatenate(base), role="null")
    return m


@torch.no_grad()
def _elsewhere(
    config: Config, run: Run, net: Any, known: Tensor, new: Tensor, turned: Tensor
) -> None:
    """Scores that should tell digits from digits turned by a right angle."""
    both = torch.cat([new, turned])
    ends, _ = attractors(follow(net.round_trip, net.encode(known), config.iterations).ends, 0.05)
    early = follow(net.round_trip, net.encode(both), EARLY, keep=EARLY)
    scores = {
        "trajectory": early.distance_to(ends).numpy(),
        "reconstruction error": (net(both) - both).square().sum(1).numpy(),
        "5 nearest training digits": NearestNeighbors(n_neighbors=5)
        .fit(known.numpy())
        .kneighbors(both.numpy())[0]
        .mean(1),
    }
    m = Measured("telling digits from turned ones", kind="auc", unit="AUC")
    foreign = np.repeat([False, True], len(new))
    for name, score in scores.items():
        m.put(name, score, foreign, role="treatment" if name == "trajectory" else "baseline")
    run.show("elsewhere", m)
