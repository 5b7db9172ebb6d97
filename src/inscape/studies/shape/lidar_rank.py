"""Does the rank of the discriminant matrix of views tell which encoder a linear probe will like?

Encoders of digits are trained without labels by three methods at settings drawn at random; LiDAR
and its rivals are read off their embeddings, and a linear probe off their representations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from inscape.charts import points
from inscape.core import Measured, one_torch_thread, permuted_ranks, rank_correlations, rank_table
from inscape.learn import Budget, EmaTarget, Gradient, info_nce, log_uniform, vicreg
from inscape.nets import JointEmbedding
from inscape.read import LogisticProbe
from inscape.recipes import agreeing, digit_views, self_predicting
from inscape.shape import lidar, power_law, rankme
from inscape.study import Arm, Bounded, Card, Claim, Run, arms, setting
from inscape.worlds.digit_views import SIDE, drawn_digits, moved

CARD = Card(
    slug="lidar-rank",
    title="LiDAR: Sensing Linear Probing Performance in Joint Embedding SSL Architectures",
    authors="Thilak et al.",
    year=2024,
    arxiv="2312.04000",
    room="shape",
    claim="The rank of the discriminant matrix of views predicts linear-probe accuracy across "
    "hyperparameters better than the rank of the covariance.",
    reproduced="24 convolutional encoders of scikit-learn's digits, shifted and rotated: SimCLR, "
    "VICReg and a predictor with a moving-average target, eight draws each of learning rate, "
    "weight decay, view strength and the loss's own setting. LiDAR of 500 digits with 50 views "
    "each.",
    controls=(
        "encoders permuted",
        "RankMe of clean digits and of views, α-ReQ, the loss",
        "LiDAR of groups of unrelated digits",
        "64 dimensions of white noise",
        "the untrained encoder",
    ),
    claims=dict(
        rank=Claim(
            text="LiDAR and probe accuracy are rank-correlated by 0.6",
            at_least=0.6,
            null="encoders permuted",
        ),
        rankme=Claim(text="Their correlation is above RankMe's", at_least=0, over="RankMe"),
        regret=Claim(
            text="The encoder that LiDAR picks is as accurate as the one that RankMe picks",
            at_least=0,
            over="RankMe",
        ),
        noise=Claim(text="64 noise dimensions raise RankMe by 30 %", at_least=0.3),
        immune=Claim(text="and LiDAR by at most a quarter as much", at_most=0.25),
        unrelated=Claim(
            text="With unrelated digits as views the correlation is below 0.3", at_most=0.3
        ),
    ),
    answer="LiDAR correlates with probe accuracy by {rank:.2f}, which is {rankme:+.2f} from "
    "RankMe's; the accuracy of its pick differs by {regret:+.1 points}. Noise raises RankMe by "
    "{noise:.0%} and LiDAR by {immune:.2f} of that; unrelated views leave a correlation of "
    "{unrelated:.2f}.",
    # few short trainings decide nothing but what noise does
    tiny=dict(rank="any", rankme="any", regret="any", noise="any", immune="any", unrelated="any"),
    differs="The paper trains ResNets and ViTs on ImageNet and draws 1,000 images; ε is 1e-7, its "
    "shares are not divided again. View strength is part of the sweep here, and each encoder's "
    "views are its own.",
    group_note="Test digits are of other writers. Intervals of correlations are over encoders, at "
    "90 % where two are compared; that of the encoders picked is over test digits.",
    negative="On seeds 0 to 2 LiDAR and accuracy correlate by 0.09, −0.23 and 0.18 where RankMe "
    "reaches 0.33, 0.07 and 0.12: weak views make LiDAR large and the probe poor. With view "
    "strength held fixed (partial rank correlations of the table of encoders) LiDAR reaches 0.49, "
    "0.39 and 0.37, RankMe 0.52, 0.37 and 0.24. On the same strong views for all encoders LiDAR "
    "correlates by −0.42, −0.12 and 0.22. Plainer things do better: α-ReQ 0.51, 0.34 and 0.24, the "
    "learning rate alone 0.52, 0.39 and 0.22. With noise LiDAR rises by 0.02 of RankMe's rise on "
    "seed 0, but the interval reaches 0.32: one encoder's LiDAR rises by 167 %, others' by at most "
    "10 %.",
    seeds=3,
    minutes=dict(tiny=0.1, small=6, full=60),
    figure="encoders",
)


@dataclass(frozen=True)
class Config(Bounded):
    each: int = setting(8, "encoders of each method", least=2)
    steps: int = setting(600, "of training", least=1)
    batch: int = setting(128, "digits a step", least=2)
    items: int = setting(500, "digits that LiDAR tells apart", least=20)
    views: int = setting(50, "of each of them", least=2)


PRESETS = {
    "tiny": Config(each=2, steps=20, batch=64, items=100, views=8),
    "small": Config(),
    "full": Config(each=16, steps=3000),
}
#: setting → least and greatest value
ENDS = {"rate": (1e-4, 3e-2), "weight decay": (1e-6, 1e-2), "view strength": (0.1, 1.5)}
#: method → least and greatest value of the setting of its own: temperature, weight of the
# covariance, EMA decay
METHODS = {"SimCLR": (0.05, 2.0), "VICReg": (0.01, 100.0), "moving target": (0.5, 0.999)}
WIDTH, NOISE = 32, 64
RIVALS = ("LiDAR", "LiDAR of common views", "RankMe", "RankMe of views", "α-ReQ", "unrelated")


@one_torch_thread()
def run(config: Config, run: Run) -> None:
    """Train, measure, correlate."""
    run.asked("Does LiDAR tell which encoder a linear probe will like?")
    (bank, names), (test, truth) = (drawn_digits(None, x, rng=run.rng()) for x in (True, False))
    placed = moved(bank.repeat(4, 1, 1, 1), rng=run.rng("bank")), moved(test, rng=run.rng("test"))

    def right(net: Any, k: int) -> np.ndarray:
        known, new = (net.encoder(x).numpy() for x in placed)
        fitted = LogisticProbe(Cs=(1.0,)).fit(known, names.repeat(4).numpy())
        return fitted.predict(new) == truth.numpy()

    rng = run.rng("settings")
    drawn = {
        f"{method} {i + 1}": own
        for method, ends in METHODS.items()
        for i, own in enumerate(log_uniform((*ENDS.values(), ends), config.each, rng=rng))
    }
    found = arms(
        run,
        {name: _arm(config, name.rsplit(" ", 1)[0], x) for name, x in drawn.items()},
        metrics={"accuracy": right},
        budget=Budget(config.steps),
    )
    chosen = bank[run.rng("items").permutation(len(bank))[: config.items]]
    rows = [
        {"encoder": name, "method": name.rsplit(" ", 1)[0]}
        | dict(zip((*ENDS, "own"), x, strict=True))
        | {"accuracy": found.values["accuracy"][name].mean()}
        | {"− loss": -found.losses[name][0, -50:].mean()}
        | _measures(config, found.nets[name][0], chosen, x[2], run)
        for name, x in drawn.items()
    ]
    frame = pd.DataFrame(rows)
    start = {"encoder": "untrained", "accuracy": found.values["accuracy"]["untrained"].mean()}
    start |= _measures(config, found.nets["untrained"][0], chosen, 1.0, run)
    caption = "Every encoder: its settings, probe accuracy and measures."
    run.table("encoders", pd.concat([frame, pd.DataFrame([start])]), caption)
    _claims(run, frame, found.values["accuracy"])


def _arm(config: Config, method: str, drawn: np.ndarray) -> Arm:
    rate, decay, strength, own = drawn.tolist()
    adam = partial(torch.optim.AdamW, weight_decay=decay)
    update = Gradient(lr=rate, optimiser=adam, schedule="cosine")
    views = digit_views(config.batch, strength)

    def net(k: int) -> nn.Module:
        return JointEmbedding(1, SIDE, embedding=WIDTH)

    if method == "moving target":
        return self_predicting(net, WIDTH, views, EmaTarget(own, update))
    loss = (
        partial(info_nce, temperature=own)
        if method == "SimCLR"
        else partial(vicreg, covariance=own)
    )
    return agreeing(net, loss, views, update)


@torch.no_grad()
def _measures(
    config: Config, net: nn.Module, digits: Tensor, strength: float, run: Run
) -> dict[str, float]:
    """LiDAR and its rivals of one encoder's embeddings, and what noise does to two of them."""
    rng = run.rng("views")
    each = digits.repeat_interleave(config.views, 0)
    z, common, clean = (
        net(moved(x, rng=rng, strength=by)).numpy()
        for x, by in ((each, strength), (each, 1.0), (digits, 0.0))
    )
    noise = rng.normal(scale=z.std(axis=0).mean(), size=(len(z), NOISE))
    items = np.repeat(np.arange(len(digits)), config.views)
    return {
        "LiDAR": lidar(z, items),
        "LiDAR of common views": lidar(common, items),
        "RankMe": rankme(clean),
        "RankMe of views": rankme(z),
        "α-ReQ": -abs(power_law(z, first=1).exponent - 1),
        "unrelated": lidar(z, rng.permutation(items)),
        "LiDAR with noise": lidar(np.hstack([z, noise]), items),
        "RankMe with noise": rankme(np.hstack([z, noise])),
    }


def _claims(run: Run, frame: pd.DataFrame, right: dict[str, np.ndarray]) -> None:
    m = rank_correlations(
        "rank correlation with probe accuracy",
        frame,
        RIVALS,
        "accuracy",
        roles=dict.fromkeys(RIVALS, "baseline") | {"LiDAR": "treatment"},
        level=0.9,
    )
    ranks = permuted_ranks(
        "rank correlation of probe accuracy",
        frame,
        ("LiDAR", "unrelated"),
        "accuracy",
        rng=lambda _: run.rng("permuted"),
        kind="encoders permuted",
    )
    run.claim("rank", ranks["LiDAR"])
    run.claim("unrelated", ranks["unrelated"])
    run.claim("rankme", m.gain("LiDAR", over="RankMe"))
    run.show("correlations", m)

    by = {"LiDAR": "LiDAR", "RankMe": "RankMe", "the best": "accuracy"}
    best = {name: frame["encoder"][frame[measure].idxmax()] for name, measure in by.items()}
    picked = {name: right[encoder][0] for name, encoder in best.items()}
    picks = Measured("probe accuracy of the encoder picked", unit="accuracy").put_each(
        picked, roles={"RankMe": "baseline", "the best": "ceiling"}
    )
    run.claim("regret", picks.gain("LiDAR", over="RankMe"))
    run.show("picks", picks)

    rise = Measured(f"rise by {NOISE} dimensions of noise", unit="share")
    rise.put("LiDAR", frame["LiDAR with noise"] / frame["LiDAR"] - 1)
    rise.put("RankMe", frame["RankMe with noise"] / frame["RankMe of views"] - 1)
    run.claim("noise", rise.value("RankMe"))
    run.claim("immune", rise.ratio("LiDAR", over="RankMe", name="rise of LiDAR over RankMe's"))

    shown = frame.melt(["encoder", "method", "accuracy"], ["LiDAR", "RankMe"])
    names = {"variable": "panel", "value": "x", "accuracy": "value", "method": "series"}
    chart = points(
        shown.rename(columns=names | {"encoder": "name"}), x="measure (directions)", y="accuracy"
    )
    run.figure("encoders", chart, "Probe accuracy of each encoder against two measures.")
    within = rank_table(frame, (*RIVALS, "− loss"), "accuracy", by="method")
    run.table("within", within, "Rank correlations within each method.")
