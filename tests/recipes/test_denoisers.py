"""Denoising autoencoders: batches are of the inputs with noise of the size asked for, and a short
training takes noise away.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.learn.fit import Budget
from inscape.learn.gradient import Gradient
from inscape.nets.autoencoder import Autoencoder
from inscape.recipes.denoisers import BATCH, denoiser
from inscape.study.arms import UNTRAINED, arms


@pytest.fixture
def known():
    return torch.rand(5, 12, generator=torch.Generator().manual_seed(0))


def small() -> Autoencoder:
    return Autoencoder(12, latent=3, hidden=32)


def test_a_batch_is_of_the_inputs_with_noise_of_the_size_asked_for(known):
    noisy, clean = denoiser(small, known, 0.5).batches(np.random.default_rng(0), 0)
    assert noisy.shape == clean.shape == (BATCH, 12)
    which = (clean[:, None] == known).all(dim=2)
    assert which.sum(dim=1).tolist() == [1] * BATCH
    assert which.any(dim=0).all()
    assert float((noisy - clean).std()) == pytest.approx(0.5, rel=0.1)
    plain, same = denoiser(small, known, 0.0).batches(np.random.default_rng(0), 0)
    assert torch.equal(plain, same)
    assert torch.equal(same, clean)


def test_the_loss_is_the_squared_error_of_the_clean_input(known):
    arm = denoiser(small, known, 0.5)
    noisy, clean = arm.batches(np.random.default_rng(0), 0)
    ahead = torch.nn.Identity()
    assert torch.isclose(arm.objective(ahead, (noisy, clean)), ((noisy - clean) ** 2).sum() / BATCH)
    assert arm.objective(ahead, (clean, clean)) == 0


def test_an_update_rule_is_taken_where_it_is_given(known):
    assert denoiser(small, known, 0.1).update == Gradient()
    slow = Gradient(lr=1e-5)
    assert denoiser(small, known, 0.1, slow).update == slow


def test_a_short_training_takes_noise_away(opened, known):
    rng = np.random.default_rng(1)
    noisy = known + 0.2 * torch.from_numpy(rng.normal(size=known.shape)).float()
    with opened() as run:
        found = arms(
            run,
            {"denoiser": denoiser(small, known, 0.2, Gradient(lr=0.01))},
            metrics={"error": lambda net, k: (net(noisy) - known).square().sum(1).numpy()},
            budget=Budget(300),
        )
    error = {arm: float(values.mean()) for arm, values in found.values["error"].items()}
    as_given = float((noisy - known).square().sum(1).mean())
    assert error["denoiser"] < 0.7 * as_given < error[UNTRAINED]


def test_refusals(known):
    with pytest.raises(ValueError, match="denoiser: needs inputs and noise of at least 0, got 0"):
        denoiser(small, known[:0], 0.1)
    with pytest.raises(ValueError, match="noise of at least 0, got 5 and -0.1"):
        denoiser(small, known, -0.1)
