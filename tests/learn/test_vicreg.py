"""VICReg: against a slow form of its definition, and what each term punishes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.learn.vicreg import vicreg


def normal(n=64, d=6, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow(a, b, invariance, variance, covariance):
    total = 0.0
    for z in (a.numpy(), b.numpy()):
        sd = np.sqrt(z.var(axis=0, ddof=1) + 1e-4)
        total += variance * np.maximum(0, 1 - sd).mean() / 2
        c = np.cov(z.T)
        total += (
            covariance
            * sum(c[i, j] ** 2 for i in range(len(c)) for j in range(len(c)) if i != j)
            / len(c)
        )
    return total + invariance * ((a - b) ** 2).numpy().mean()


def test_it_is_its_definition():
    a, b = normal(), 0.3 * normal(seed=1)
    for weights in ((25.0, 25.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)):
        assert float(vicreg(a, b, *weights)) == pytest.approx(slow(a, b, *weights))


def test_collapse_costs_variance_and_repetition_costs_covariance():
    a = normal(4000)
    flat = torch.ones(64, 6, dtype=torch.float64)
    assert float(vicreg(flat, flat)) == pytest.approx(25 * 0.99)  # √1e-4 is left of each spread
    twin = a[:, :1].repeat(1, 6)
    assert float(vicreg(twin, twin, covariance=0.0)) < 0.1
    assert float(vicreg(twin, twin)) > 5
    assert float(vicreg(a, a)) < 0.3


def test_refusals():
    with pytest.raises(ValueError, match="vicreg: give two views of the same inputs"):
        vicreg(normal(4), normal(5))
    with pytest.raises(ValueError, match="at least two"):
        vicreg(normal(1), normal(1))
