"""The training loop: against a loop written out, its seams, and interruption."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest
import torch
from torch import nn

from inscape.learn.fit import Budget, Watch, fit
from inscape.learn.gradient import Gradient


def network(dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1)
        )


def batches(rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(rng.normal(size=(16, 3)).astype(np.float32))


def objective(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return (net(x)[:, 0] - x.sum(1)).square().mean()


def stream() -> np.random.Generator:
    return np.random.default_rng(7)


def weights(net: nn.Module) -> torch.Tensor:
    return torch.cat([x.reshape(-1).double() for x in net.state_dict().values()])


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_it_is_the_loop_that_one_would_write(schedule):
    ours, theirs = network(), network()
    found = fit(
        ours, batches, objective, Budget(40), Gradient(lr=0.01, schedule=schedule), rng=stream()
    )
    rng = stream()
    rng.integers(2**63)  # the draw that seeds what is random inside the network
    optimiser = torch.optim.Adam(theirs.parameters(), lr=0.01)
    losses = []
    for step in range(40):
        if schedule == "cosine":
            optimiser.param_groups[0]["lr"] = 0.01 * (1 + np.cos(np.pi * step / 40)) / 2
        loss = objective(theirs, batches(rng))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.allclose(found.losses, losses, rtol=1e-5)
    assert torch.allclose(weights(ours), weights(theirs), atol=1e-6)
    assert found.losses[-1] < 0.9 * found.losses[0]
    assert not ours.training
    assert found.seconds > 0


def test_the_gradient_transform_sees_gradients_before_the_step():
    net = network()
    before = net[0].weight.detach().clone()

    def freeze_first(net: nn.Module) -> None:
        assert net[0].weight.grad.abs().max() > 0
        net[0].weight.grad.zero_()

    fit(net, batches, objective, Budget(5), Gradient(transform=freeze_first), rng=stream())
    assert torch.equal(net[0].weight, before)
    assert not torch.equal(net[4].weight, network()[4].weight)


def test_an_update_rule_needs_no_gradient():
    class Nudge:
        def __init__(self, net: nn.Module, steps: int) -> None:
            self.net, self.steps = net, steps

        def step(self, objective, batch) -> float:
            with torch.no_grad():
                self.net[4].bias += 1.0
                return float(objective(self.net, batch))

        def state_dict(self) -> dict:
            return {}

        def load_state_dict(self, state: dict) -> None:
            pass

    net = network()
    start = net[4].bias.item()
    fit(net, batches, objective, Budget(3), Nudge, rng=stream())
    assert net[4].bias.item() == pytest.approx(start + 3)


def test_watching_changes_nothing_and_measures_before_and_after():
    watched, free = network(0.3), network(0.3)
    seen = []

    def measure(net: nn.Module) -> float:
        seen.append((net.training, torch.is_grad_enabled()))
        return float(net(torch.ones(2, 3)).mean())

    found = fit(
        watched, batches, objective, Budget(25), rng=stream(), watch=[Watch("mean", measure, 10)]
    )
    fit(free, batches, objective, Budget(25), rng=stream())
    assert torch.equal(weights(watched), weights(free))
    assert found.watched["step"].tolist() == [0, 10, 20, 25]
    assert set(seen) == {(False, False)}


class _Stopped(Exception):
    pass


def interrupted(monkeypatch, path, at: int) -> None:
    """A training that saves at every step and stops at one of them."""
    monkeypatch.setattr(sys.modules["inscape.learn.fit"], "SAVED_EVERY", -1.0)
    count = 0

    def advance() -> None:
        nonlocal count
        count += 1
        if count == at:
            raise _Stopped

    with pytest.raises(_Stopped):
        run(path, advance)


def run(path=None, advance=None, steps: int = 30):
    watch = [Watch("bias", lambda net: float(net[4].bias), 10)]
    return fit(
        network(0.3),
        batches,
        objective,
        Budget(steps),
        Gradient(schedule="cosine"),
        watch,
        rng=stream(),
        keep=path,
        advance=advance,
    )


def test_an_interrupted_training_ends_with_the_same_weights(monkeypatch, tmp_path):
    path = tmp_path / "states" / "fit.pt"
    whole = run()
    interrupted(monkeypatch, path, at=13)
    advanced = []
    resumed = run(path, lambda: advanced.append(1))
    assert len(advanced) == 30
    assert torch.equal(weights(resumed.net), weights(whole.net))
    assert np.array_equal(resumed.losses, whole.losses)
    assert resumed.watched.equals(whole.watched)
    assert [p.name for p in path.parent.iterdir()] == ["fit.pt"]
    # a finished training is not done again
    again = run(path, lambda: None)
    assert torch.equal(weights(again.net), weights(whole.net))


def test_a_state_of_another_training_or_a_damaged_one_is_ignored(monkeypatch, tmp_path, caplog):
    path = tmp_path / "fit.pt"
    interrupted(monkeypatch, path, at=13)
    with caplog.at_level(logging.WARNING):
        other = run(path, steps=20)
    assert "belongs to another training" in caplog.text
    assert np.array_equal(other.losses, run(steps=20).losses)
    path.write_bytes(b"torn")
    with caplog.at_level(logging.WARNING):
        found = run(path)
    assert "cannot be read" in caplog.text
    assert np.array_equal(found.losses, run().losses)


def test_refusals():
    with pytest.raises(ValueError, match="the loss is nan at step 1; lower the learning rate"):
        fit(
            network(), batches, lambda n, x: objective(n, x) * float("nan"), Budget(3), rng=stream()
        )
    with pytest.raises(ValueError, match="steps must be 0 or more, got -1"):
        Budget(-1)
    with pytest.raises(ValueError, match="tolerance must be 0 up to 1, got 2.0"):
        Budget(1, tolerance=2.0)
    with pytest.raises(ValueError, match="schedule must be 'constant' or 'cosine', got 'step'"):
        Gradient(schedule="step")(network(), 3)
    with pytest.raises(ValueError, match="no parameter that requires a gradient"):
        Gradient()(nn.Tanh(), 3)


def test_no_steps_leave_the_network_as_it_is():
    net = network()
    found = fit(
        net, batches, objective, Budget(0), rng=stream(), watch=[Watch("one", lambda n: 1.0)]
    )
    assert torch.equal(weights(net), weights(network()))
    assert found.watched["step"].tolist() == [0]


@pytest.mark.parametrize("every", [0, -5])
def test_a_watch_measures_every_so_many_steps(every):
    with pytest.raises(ValueError, match="every must be at least 1 step"):
        Watch("x", lambda net: 0.0, every)
