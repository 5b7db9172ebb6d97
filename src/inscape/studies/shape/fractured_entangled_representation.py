"""Can two networks draw the same picture with insides that have nothing in common?

Networks of coordinates built by hand draw symmetric pictures; others of the same form are trained
on these pictures by gradient descent. What each weight changes tells whether a network knows of the
symmetry.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from inscape.core import Measured, fact, one_torch_thread
from inscape.fields import odd_share, psnr, weight_effects
from inscape.fields.cppn import KINDS, PICTURES, Cppn, coordinates, permuted, symmetric_picture
from inscape.learn import Budget, Gradient
from inscape.shape import participation_ratio
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED, Arm, arms

CARD = Card(
    slug="fractured-entangled-representation",
    title="Questioning Representational Optimism in Deep Learning: The Fractured Entangled "
    "Representation Hypothesis",
    authors="Kumar, Clune, Lehman and Stanley",
    year=2025,
    arxiv="2505.11581",
    room="shape",
    claim="Networks that draw the same picture differ inside: those evolved without a goal are "
    "nearly factored, those trained by gradient descent are fractured and entangled.",
    reproduced="Three symmetric pictures (a face, an apple, a butterfly) by networks built by "
    "hand, which stand in for Picbreeder's, and five networks of the same form trained on each, "
    "with and without weight decay. Every weight is moved: what share of the change breaks the "
    "symmetry, which the output has either way?",
    controls=(
        "the untrained networks",
        "weight decay",
        "neurons permuted",
        "the network's own picture, whose symmetry is seen beside",
    ),
    claims=dict(
        fitted=Claim(
            text="Trained networks draw the pictures at 30 dB",
            at_least=30,
            sanity=True,
            exact="the worst of all trained networks",
        ),
        face=Claim(
            text="Weights of networks trained on the face break symmetry twice as much as its own",
            at_least=2,
        ),
        apple=Claim(text="So do those of the apple", at_least=2),
        butterfly=Claim(text="So do those of the butterfly", at_least=2),
        permuted=Claim(
            text="Permuting neurons moves the measure by at most 5 %",
            at_most=0.05,
            sanity=True,
            exact="an identity, checked on the networks that were trained",
        ),
    ),
    answer="Weights of trained networks break the symmetry {face:.1f} times as much as those of "
    "the network behind the face, {apple:.1f} times for the apple and {butterfly:.1f} times for "
    "the butterfly.",
    tiny=dict(fitted="any", face="any", apple="any", butterfly="any", permuted="supported"),
    differs="The authors compare neuron maps and finite sweeps of single weights by eye; here "
    "every weight, those that are "
    "zero too, is moved infinitesimally. No network is evolved, and pictures are grey.",
    group_note="A trained network is what varies, five of each kind; the network built by hand is "
    "one.",
    negative="On seeds 0 to 2 trained networks break the symmetry of the face 2.9, 5.8 and 5.7 "
    "times as much as the network by hand, of the apple 4.1, 4.9 and 3.8 times, of the butterfly "
    "3.9, 5.8 and 3.6 times; starts differ so much that some intervals begin below 2. Untrained "
    "networks break it more (seed 0: shares of 0.26 to 0.29, trained 0.12 to 0.23, by hand 0.04 "
    "to 0.06), and weight decay brings the trained ones down to 0.07 to 0.14.",
    seeds=3,
    minutes=dict(tiny=0.1, small=5, full=60),
    figure="breakage",
)


@dataclass(frozen=True)
class Config(Bounded):
    side: int = setting(48, "pixels along a picture", least=8)
    networks: int = setting(5, "random starts on each picture", least=3)
    steps: int = setting(5000, "of training", least=1)


PRESETS = {
    "tiny": Config(side=16, networks=3, steps=60),
    "small": Config(),
    "full": Config(side=128, networks=10, steps=100_000),
}
HAND, TRAINED, DECAY = "built by hand", "trained", "trained, weight decay"


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Draw, train on what is drawn, and move every weight."""
    run.asked("Can two networks draw the same picture with insides that have nothing in common?")
    x, rows, least, off = coordinates(config.side), [], np.inf, 0.0
    breakage = {}
    for name in PICTURES:
        own = symmetric_picture(name)
        with torch.no_grad():
            target = own(x)
        found = arms(
            run,
            {TRAINED: _arm(x, target, 0.0), DECAY: _arm(x, target, 0.1)},
            metrics={},
            budget=Budget(config.steps),
            seeds=config.networks,
            name=name,
        )
        m = Measured(f"share of change that breaks symmetry, {name}", unit="share")
        for kind, nets in {HAND: [own], **found.nets}.items():
            seen = [_looked(net, x, config.side) for net in nets]
            if kind == HAND:
                seen = seen * config.networks
            fits = [psnr(net(x).detach().numpy(), target.numpy()) for net in nets]
            if kind == TRAINED:
                least = min(least, *fits)
                moved = _looked(_shuffled(nets[0], run), x, config.side)
                off = max(off, abs(moved["broken"] / seen[0]["broken"] - 1))
                _maps(run, name, own, nets[0], x, config.side)
            role = {TRAINED: "treatment", HAND: "reference"}.get(kind, "baseline")
            m.put(kind, [s["broken"] for s in seen], role=role)
            mean = pd.DataFrame(seen).mean().to_dict()
            rows.append({"picture": name, "network": kind, "PSNR": np.mean(fits), **mean})
        run.claim(name, m.ratio(TRAINED, over=HAND, name="times as much as by hand"))
        breakage[name] = m
    run.claim("fitted", fact("worst PSNR of the trained networks", least, "dB"))
    run.claim("permuted", fact("largest relative change by permuting", off, "share"))
    run.show(
        "breakage",
        [
            m.value(
                kind,
                name="share of change that breaks symmetry",
                where={"condition": f"{name}, {kind}"},
            )
            for name, m in breakage.items()
            for kind in (HAND, TRAINED, DECAY, UNTRAINED)
        ],
        (
            "Share of the change by one weight that breaks the mirror symmetry; at random it is a "
            "half."
        ),
    )
    run.table("networks", pd.DataFrame(rows), "Every kind of network, mean over random starts.")


def _arm(x: Tensor, target: Tensor, decay: float) -> Arm:
    adam = partial(torch.optim.AdamW, weight_decay=decay)
    return Arm(
        net=lambda k: Cppn(),
        batches=lambda rng, k: None,
        objective=lambda net, batch: F.mse_loss(net(x), target),
        update=Gradient(lr=3e-3, optimiser=adam, schedule="cosine"),
        role="baseline" if decay else "treatment",
    )


def _looked(net: Any, x: Tensor, side: int) -> dict[str, float]:
    """Breakage of symmetry, neurons that say the same, and how many ways the picture can change."""
    effects = weight_effects(net, x)
    with torch.no_grad():
        maps = [h.double().numpy() for h in net.maps(x)]
        picture = net(x).double().numpy().reshape(side, side)
    alike = [_redundant(h) for h in maps]
    odd = picture - picture[:, ::-1]
    return {
        "broken": float(np.nanmean(odd_share(effects, side))),
        "redundancy": float(np.mean(alike)),
        "ways to change": participation_ratio(effects.T),
        "asymmetry of the picture": float((odd**2).mean() / (4 * picture.var() + 1e-12)),
    }


def _redundant(maps: np.ndarray) -> float:
    """Mean over the neurons of a layer that vary of the largest |correlation| with another."""
    live = maps[:, maps.std(axis=0) > 1e-6]
    if live.shape[1] < 2:
        return 0.0
    near = np.abs(np.corrcoef(live.T))
    np.fill_diagonal(near, 0)
    return float(near.max(axis=1).mean())


def _shuffled(net: Cppn, run: Run) -> Cppn:
    """The same network with its neurons in another order."""
    kinds = np.array(KINDS)
    orders = []
    for i in range(len(net.linear) - 1):
        order = np.arange(len(kinds))
        for kind in np.unique(kinds):
            order[kinds == kind] = run.rng("orders", str(i)).permutation(order[kinds == kind])
        orders.append(torch.from_numpy(order))
    return permuted(net, orders)


@torch.no_grad()
def _maps(run: Run, name: str, own: Cppn, net: Cppn, x: Tensor, side: int) -> None:
    """The picture of one network of each kind, and what every neuron of it draws."""
    arrays = {}
    for kind, one in ((HAND, own), (TRAINED, net)):
        arrays |= {
            f"{kind}, layer {i + 1}": h.T.reshape(-1, side, side) for i, h in enumerate(one.maps(x))
        }
        arrays[f"{kind}, picture"] = one(x).reshape(side, side)
    run.arrays(name, arrays, f"What every neuron draws: {name}, one network of each kind.")
