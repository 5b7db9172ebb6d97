"""Arms: equal budgets, paired seeds, the untrained arm, and interruption."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from inscape.core.errors import StudyError
from inscape.learn.fit import Budget, Watch
from inscape.learn.gradient import Gradient
from inscape.study.arms import UNTRAINED, Arm, arms, tuned

X = torch.linspace(-1, 1, 12)[:, None]
METRICS = {"squared error": lambda net, k: (net(X) - X**2).square()[:, 0].numpy()}


def drawn(rng: np.random.Generator, k: int) -> torch.Tensor:
    return torch.from_numpy(rng.uniform(-1, 1, size=(32, 1)).astype(np.float32))


def parabola(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return (net(x) - x**2).square().mean()


def arm(width: int = 16, **more) -> Arm:
    def make(k: int) -> nn.Module:
        return nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))

    return Arm(make, drawn, **{"objective": parabola, "update": Gradient(lr=0.01), **more})


def test_arms_are_trained_measured_and_compared(opened, tmp_path):
    with opened() as run:
        found = arms(
            run,
            {"slow": arm(update=Gradient(lr=1e-7), role="baseline"), "fast": arm()},
            metrics=METRICS,
            budget=Budget(200, equal=("parameters", "trained", "flops", "memory")),
            seeds=3,
            watch=[Watch("first weight", lambda net: float(net[0].weight.norm()), 100)],
        )
        items = found.measured("squared error", unit="squared error")
        pairs = found.measured("squared error", unit="squared error", over="pair")
        with pytest.raises(ValueError, match="There is no metric 'error'"):
            found.measured("error", unit="")
        with pytest.raises(ValueError, match="over must be 'item' or 'pair', got 'seed'"):
            found.measured("squared error", unit="", over="seed")
    fall = items.fall("fast", below=UNTRAINED)
    assert fall.value > 0.1
    assert fall.beside[0].role == "reference"
    assert fall.n == 12
    assert pairs.value("fast").n == 3
    assert pairs.value("fast").value == pytest.approx(items.value("fast").value)
    # a rate of nearly nothing leaves a network at its initial weights, the untrained arm's
    slow = found.values["squared error"]
    assert np.allclose(slow["slow"], slow[UNTRAINED], atol=1e-3)
    assert slow["slow"].shape == (3, 12)
    assert not np.allclose(slow[UNTRAINED][0], slow[UNTRAINED][1], atol=0.01)
    costs = pd.read_parquet(tmp_path / "run/tables/arms-costs.parquet").set_index("arm")
    assert costs.loc["fast", "parameters"] == 16 + 16 + 16 + 1
    assert costs.loc["fast", "flops"] == 2 * (2 * 32 * 16) + 3 * (2 * 32 * 16)  # forward; backward
    assert (costs["seconds"] > 0).all()
    watched = pd.read_parquet(tmp_path / "run/tables/arms-watched.parquet")
    start = watched[watched["step"] == 0].pivot(index="pair", columns="arm", values="value")
    assert (start["fast"] == start["slow"]).all()  # paired initial weights
    assert watched["step"].unique().tolist() == [0, 100, 200]
    sections = json.loads((tmp_path / "run/run.json").read_text())["sections"]
    said = {s["name"]: s["caption"] for s in sections}
    assert said["arms-watched"] == "Measured during training, mean over 3 networks of each arm."
    agreed = "Required to agree within 3 %: parameters, trained parameters, FLOPs, memory."
    assert said["arms-costs"].endswith(f"mean over 3 trainings. {agreed}")


def test_arms_that_see_the_same_batches_and_rule_are_the_same(opened):
    with opened() as run:
        found = arms(run, {"a": arm(), "b": arm()}, metrics=METRICS, budget=Budget(50), seeds=2)
    values = found.values["squared error"]
    assert np.array_equal(values["a"], values["b"])
    assert not np.array_equal(values["a"], values[UNTRAINED])


@pytest.mark.parametrize("quantity", ["parameters", "trained", "flops", "memory"])
def test_unequal_arms_are_refused_before_anything_is_trained(opened, quantity):
    def never(net, k):
        raise AssertionError("measured")

    both = {"narrow": arm(16), "wide": arm(17)}
    with opened() as run:
        with pytest.raises(StudyError, match=f"The arms 'narrow' and 'wide' have .* {quantity}"):
            arms(run, both, metrics={"x": never}, budget=Budget(10**9, equal=(quantity,)))
        arms(run, both, metrics=METRICS, budget=Budget(1, equal=(quantity,), tolerance=0.07))


def test_what_is_used_in_the_end_is_what_is_counted_and_measured(opened):
    first = lambda net: nn.Sequential(net[0], nn.Linear(16, 1))  # noqa: E731
    with opened() as run:
        found = arms(run, {"a": arm(deploy=first)}, metrics=METRICS, budget=Budget(1))
    assert len(found.nets["a"][0]) == 2
    assert not found.nets["a"][0].training
    assert len(found.nets[UNTRAINED][0]) == 2


def test_an_interrupted_run_goes_on(opened, monkeypatch):
    monkeypatch.setattr(sys.modules["inscape.learn.fit"], "SAVED_EVERY", -1.0)
    asked = []

    def counted(rng: np.random.Generator, k: int) -> torch.Tensor:
        asked.append(k)
        if len(asked) == 70 and len(set(asked)) == 2:
            raise KeyboardInterrupt
        return drawn(rng, k)

    def train(name: str):
        with opened(name) as run:
            both = {"a": replace(arm(), batches=counted)}
            return arms(run, both, metrics=METRICS, budget=Budget(50), seeds=2), run

    with pytest.raises(KeyboardInterrupt):
        train("first")
    before = len(asked)
    found, run = train("second")
    # the first training is not done again, and of the second only what was left; one batch is
    # counted beforehand
    assert len(asked) - before == 100 - (before - 2) + 1
    assert not list(run.cache.glob("fits/*"))
    asked.clear()
    asked.extend([0] * 71)
    whole, _ = train("third")
    assert np.array_equal(found.values["squared error"]["a"], whole.values["squared error"]["a"])


def test_each_kind_gets_the_choice_that_is_best_for_it(opened, tmp_path):
    kinds = {
        "plain": lambda rate: arm(update=Gradient(lr=rate)),
        # a loss a thousand times as steep needs a rate a thousand times as small
        "steep": lambda rate: arm(
            update=Gradient(lr=rate, optimiser=torch.optim.SGD),
            objective=lambda net, x: 1000 * parabola(net, x),
        ),
    }
    with opened() as run:
        best = tuned(
            run,
            kinds,
            (1e-6, 1e-5, 1e-2),
            score=lambda net, k: -METRICS["squared error"](net, k),
            budget=Budget(100),
            seeds=2,
            name="rates",
        )
    scores = pd.read_parquet(tmp_path / "run/tables/rates.parquet")
    assert best == {"plain": 1e-2, "steep": 1e-5}
    top = scores.loc[scores.groupby("arm")["score"].idxmax()].set_index("arm")["choice"]
    assert top.to_dict() == best
    # the steep loss diverges at a rate that suits the plain one
    assert np.isinf(scores.set_index(["arm", "choice"]).loc[("steep", 1e-2), "score"])
    assert len(scores) == 6
    assert not list(run.cache.glob("fits/*"))


def test_refusals(opened):
    with opened() as run:
        with pytest.raises(ValueError, match="needs at least one arm, and none called 'untrained'"):
            arms(run, {}, metrics=METRICS, budget=Budget(1))
        with pytest.raises(ValueError, match="needs at least one arm, and none called 'untrained'"):
            arms(run, {UNTRAINED: arm()}, metrics=METRICS, budget=Budget(1))
        with pytest.raises(ValueError, match="'parameter' cannot be compared. Did you mean"):
            arms(run, {"a": arm()}, metrics=METRICS, budget=Budget(1, equal=("parameter",)))
