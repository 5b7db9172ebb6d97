"""Does a field learn high frequencies sooner when its weights are composed from fixed cosines?

A signal of four sines and pieces of photographs are fitted by perceptrons whose hidden weights are
plain, composed from cosines, or composed from random vectors of the same norms. Every kind takes
the learning rate that is best for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from inscape.core import Measured, above_best, fact, one_torch_thread
from inscape.fields import (
    CheckedFolding,
    Field,
    FourierLinear,
    frequency_error,
    he_linear,
    psnr,
)
from inscape.learn import Budget, Gradient, Watch
from inscape.study import Bounded, Card, Claim, Run, setting
from inscape.study.arms import UNTRAINED, Arm, arms, tuned
from inscape.worlds import Crop, photo_crops, pixel_grid

CARD = Card(
    slug="fr-inr",
    title="Improved Implicit Neural Representation with Fourier Reparameterized Training",
    authors="Shi, Zhou and Gu",
    year=2024,
    arxiv="2401.07402",
    room="fields",
    claim="Composing weights from fixed Fourier bases eases spectral bias and improves the fit of "
    "signals, images, shapes and radiance fields, for plain, encoded and sine perceptrons alike.",
    reproduced="ReLU perceptrons of width 64: the paper's sum of four sines, and crops of 64 by "
    "64 pixels of two photographs with and without positional encoding, a tenth of the pixels "
    "held out. Shapes, radiance fields and sine networks are not done here.",
    controls=(
        "plain weights at the same initial variance",
        "weights composed from random vectors of the same norms: as many parameters, no "
        "frequencies",
        "plain weights at PyTorch's initialisation, which the authors compare with",
        "the learning rate of each kind chosen from one grid, on other initial weights and other "
        "crops",
    ),
    claims={
        "plain": Claim(
            text="The error on the four sines is at most 0.85 times that of plain weights",
            at_most=0.85,
        ),
        "random": Claim(
            text="The error on the four sines is at most 0.7 times that with a random basis",
            at_most=0.7,
        ),
        "top": Claim(
            text="After a quarter of the steps the error of the highest frequency is below that "
            "of the better control",
            at_most=1,
        ),
        "pictures": Claim(
            text="On held-out pixels the PSNR is above that of the better control, over both "
            "encodings",
            at_least=0,
            over="the better control",
        ),
        "folded": Claim(
            text="Folded into plain layers, the trained networks give the same values to 1e-5",
            at_most=1e-5,
            exact="an identity, checked on the trained networks of this run",
        ),
    },
    # forty steps decide nothing, and two networks have no interval
    tiny={
        "plain": "any",
        "random": "any",
        "top": "any",
        "pictures": "any",
        "folded": "supported",
    },
    answer="Composed from cosines, weights end at {plain:.2f} times the error of plain ones and "
    "{random:.2f} times that of a random basis; on photographs they gain {pictures:+.2f} dB over "
    "the better control.",
    differs="The authors use width 128 to 256, up to 10,000 steps at one learning rate for all "
    "kinds, and plain layers at PyTorch's initialisation; they report the error on the pixels "
    "that were trained on.",
    group_note="A group is one pair of initial weights, on photographs with a crop of its own.",
    negative="On seeds 0 to 2 the error is 0.17, 0.31 and 1.00 times that of plain weights, so one "
    "start in three gains nothing; the highest frequency is not learnt sooner than in the better "
    "control on two of three, and photographs gain −0.4 to 0.2 dB.",
    seeds=3,
    minutes={"tiny": 0.1, "small": 15, "full": 300},
    figure="sines-watched",
)


@dataclass(frozen=True)
class Config(Bounded):
    """The settings of the study."""

    steps: int = setting(2000, "on the sum of sines", least=1)
    pairs: int = setting(12, "networks of each kind on the sum of sines", least=1)
    picture_steps: int = setting(600, "on a picture", least=1)
    crops: int = setting(12, "pictures", least=1)
    rates: tuple[float, ...] = setting(
        (3e-4, 1e-3, 3e-3), "learning rates that each kind is tried at"
    )
    trials: int = setting(2, "networks that a learning rate is chosen on", least=1)
    width: int = setting(64, "of the hidden layers")
    frequencies: int = setting(32, "F, of the low and the high set each", least=1)
    phases: int = setting(8, "P", least=1)


PRESETS = {
    "tiny": Config(
        steps=40, pairs=2, picture_steps=10, crops=2, rates=(1e-3,), width=16, frequencies=4
    ),
    "small": Config(),
    "full": Config(steps=10_000, picture_steps=10_000, crops=20, width=128, frequencies=64),
}
FOURIER, PLAIN, RANDOM, DEFAULT = (
    "cosines",
    "plain",
    "random basis",
    "plain, PyTorch's initialisation",
)
#: half periods of the four sines over [−1, 1), which are their cycles over it
CYCLES = (3, 5, 7, 9)
POINTS, SIDE, PIXELS = 300, 64, 512
ERROR, DB = "mean squared error", "PSNR of held-out pixels"
T = torch.linspace(-1, 1, POINTS + 1)[:-1, None]
SIGNAL = sum(torch.sin(k * torch.pi * T) for k in CYCLES)


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """The sum of sines, then photographs."""
    run.asked(
        "Does a field learn high frequencies sooner if its weights are composed from cosines?"
    )
    of_sines, of_pictures = CheckedFolding(T), CheckedFolding(pixel_grid(SIDE))
    _sines(config, run, of_sines)
    _pictures(config, run, of_pictures)
    gap = max(of_sines.gap, of_pictures.gap)
    run.claim("folded", fact("largest difference after folding", gap, "value"))


def _kinds(config: Config) -> dict[str, Callable[[int, int], nn.Module]]:
    composed = partial(FourierLinear, frequencies=config.frequencies, phases=config.phases)
    return {
        FOURIER: composed,
        PLAIN: he_linear,
        RANDOM: partial(composed, random=True),
        DEFAULT: nn.Linear,
    }


def _sines(config: Config, run: Run, folding: CheckedFolding) -> None:
    def arm(kind: str, rate: float) -> Arm:
        return Arm(
            net=lambda k: Field(1, width=config.width, linear=_kinds(config)[kind]),
            batches=lambda rng, k: T,
            objective=lambda net, t: (net(t) - SIGNAL).square().mean(),
            update=Gradient(lr=rate),
            role="treatment" if kind == FOURIER else "baseline",
            deploy=folding,
        )

    def errors(net: nn.Module) -> np.ndarray:
        return frequency_error(net(T)[:, 0].numpy(), SIGNAL[:, 0].numpy(), CYCLES)

    def squared(net: nn.Module, k: int) -> np.ndarray:
        return (net(T) - SIGNAL).square()[:, 0].numpy()

    rates = tuned(
        run,
        {kind: partial(arm, kind) for kind in _kinds(config)},
        config.rates,
        score=lambda net, k: -squared(net, k),
        budget=Budget(config.steps),
        seeds=config.trials,
        name="sines-rates",
    )
    every = max(config.steps // 20, 1)
    found = arms(
        run,
        {kind: arm(kind, rate) for kind, rate in rates.items()},
        metrics={ERROR: squared},
        budget=Budget(config.steps),
        seeds=config.pairs,
        watch=[
            Watch(f"{k} cycles", lambda net, i=i: errors(net)[i], every)
            for i, k in enumerate(CYCLES)
        ],
        name="sines",
    )
    error = found.measured(ERROR, unit="squared error", over="pair")
    for claim, other in (("plain", PLAIN), ("random", RANDOM)):
        run.claim(claim, error.ratio(FOURIER, over=other, name=f"{ERROR}, times"))
    early = found.watched[found.watched["step"] == every * 5]
    early = early[early["name"] == f"{CYCLES[-1]} cycles"]
    by_kind = {kind: early[early["arm"] == kind].sort_values("pair")["value"] for kind in rates}
    m = Measured("error of the highest frequency", unit="relative error").put_each(by_kind)
    better = lambda own, *others: own / np.min(others, axis=0)  # noqa: E731
    name = "error of the highest frequency, times"
    run.claim("top", m.combined(name, better, FOURIER, PLAIN, RANDOM, kind="positive"))
    run.show("error", error)


def _pictures(config: Config, run: Run, folding: CheckedFolding) -> None:
    decibels = []
    for name, octaves in (("pictures", 0), ("pictures-encoded", 4)):
        tried, shown = (
            photo_crops(n, side=SIDE, rng=run.rng("crops", of))
            for of, n in ((f"{name}-rates", config.trials), (name, config.crops))
        )
        rates = tuned(
            run,
            {k: partial(_picture_arm, config, folding, octaves, tried, k) for k in _kinds(config)},
            config.rates,
            score=partial(_held_out, tried),
            budget=Budget(config.picture_steps),
            seeds=config.trials,
            name=f"{name}-rates",
        )
        found = arms(
            run,
            {
                k: _picture_arm(config, folding, octaves, shown, k, rate)
                for k, rate in rates.items()
            },
            metrics={DB: partial(_held_out, shown)},
            budget=Budget(config.picture_steps),
            seeds=config.crops,
            name=name,
        )
        run.show(f"{name}-psnr", found.measured(DB, unit="dB", over="pair"))
        decibels.append(found.values[DB])
    mean = {
        kind: np.mean([d[kind][:, 0] for d in decibels], axis=0)
        for kind in (UNTRAINED, *_kinds(config))
    }
    m = Measured(DB, unit="dB").put_each(mean, roles={FOURIER: "treatment"}, role="baseline")
    run.claim("pictures", m.combined(f"{DB}, gain", above_best, FOURIER, PLAIN, RANDOM))


def _picture_arm(
    config: Config,
    folding: CheckedFolding,
    octaves: int,
    crops: list[Crop],
    kind: str,
    rate: float,
) -> Arm:
    linear = _kinds(config)[kind]
    return Arm(
        net=lambda k: Field(2, 3, width=config.width, octaves=octaves, linear=linear),
        batches=lambda rng, k: crops[k].batch(PIXELS, rng=rng),
        objective=lambda net, b: (net(b[0]) - b[1]).square().mean(),
        update=Gradient(lr=rate),
        role="treatment" if kind == FOURIER else "baseline",
        deploy=folding,
    )


def _held_out(crops: list[Crop], net: nn.Module, k: int) -> float:
    at, colours = crops[k].held_out()
    return psnr(net(at).clamp(0, 1), colours)
