"""The supervised contrastive loss, and the convolution over layers: what they must find and must
not.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from inscape.read.layer_cnn import LayerCNN
from inscape.read.supervised_contrastive import supervised_contrastive


def slow(z, y, t):
    z = z / z.norm(dim=1, keepdim=True)
    terms = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        alike = [a for a in others if y[a] == y[i]]
        if alike:
            bottom = sum(torch.exp(z[i] @ z[a] / t) for a in others)
            terms.append(
                -sum(torch.log(torch.exp(z[i] @ z[j] / t) / bottom) for j in alike) / len(alike)
            )
    return sum(terms) / len(terms) if terms else torch.tensor(0.0)


@given(st.integers(0, 2**31 - 1), st.integers(2, 9))
def test_the_loss_is_the_formula_and_only_angles_count(seed, n):
    g = torch.Generator().manual_seed(seed)
    z, y = (
        torch.randn(n, 4, generator=g, dtype=torch.float64),
        torch.randint(0, 3, (n,), generator=g),
    )
    found = supervised_contrastive(z, y, 0.5)
    assert found.item() == pytest.approx(float(slow(z, y, 0.5)), abs=1e-9)
    stretched = z * torch.rand(n, 1, generator=g, dtype=torch.float64).add(0.1)
    assert supervised_contrastive(stretched, y, 0.5).item() == pytest.approx(found.item(), abs=1e-9)


def test_classes_that_lie_together_cost_least():
    y = torch.tensor([0, 0, 1, 1])
    together = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    crossed = together[[0, 2, 1, 3]]
    assert supervised_contrastive(together, y) < 0.01 < 5 < supervised_contrastive(crossed, y)
    same = torch.ones(5, 2)
    assert supervised_contrastive(same, torch.zeros(5, dtype=torch.long)).item() == pytest.approx(
        np.log(4)
    )
    assert supervised_contrastive(together, torch.arange(4)).item() == 0.0
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        supervised_contrastive(together, y, 0)


def planted(rng, n=300, layers=6, channels=5):
    """A class that shows only in how a channel changes from one layer to the next."""
    y = np.arange(n) % 2
    x = rng.normal(size=(n, layers, channels))
    x[:, 2:4, 1] += 1.5 * np.array([1.0, -1.0]) * (2 * y - 1)[:, None]
    return x, y


def test_it_finds_what_is_planted_and_nothing_in_noise():
    rng = np.random.default_rng(0)
    (x, y), (x2, y2) = planted(rng), planted(rng)
    found = LayerCNN(epochs=30).fit(x, y, groups=np.arange(300) // 3)
    assert roc_auc_score(y2, found.decision_function(x2)) > 0.9
    assert found.loss_ < 0.5
    noise = LayerCNN(epochs=10).fit(x, rng.permutation(y))
    assert 0.3 < roc_auc_score(y2, noise.decision_function(x2)) < 0.7
    p = found.confidence(x2)
    assert ((p >= 0) & (p <= 1)).all()


def test_same_seed_same_numbers_and_the_global_stream_is_left_alone():
    x, y = planted(np.random.default_rng(1), n=60)
    before = torch.random.get_rng_state()
    one = LayerCNN(epochs=3, seed=4).fit(x, y).decision_function(x)
    two = LayerCNN(epochs=3, seed=4).fit(x, y).decision_function(x)
    other = LayerCNN(epochs=3, seed=5).fit(x, y).decision_function(x)
    assert (one == two).all()
    assert (one != other).any()
    assert torch.equal(before, torch.random.get_rng_state())


def test_what_is_refused():
    x, y = np.zeros((6, 3, 2)), np.array([0, 1] * 3)
    with pytest.raises(ValueError, match=r"x must be \(n, layers, channels\)"):
        LayerCNN().fit(x[:, 0], y)
    with pytest.raises(ValueError, match="y must hold both 0 and 1"):
        LayerCNN().fit(x, np.zeros(6, dtype=int))
    with pytest.raises(ValueError, match="kernel must be odd and contrast between 0 and 1"):
        LayerCNN(kernel=2).fit(x, y)


def test_a_batch_without_two_of_a_class_has_no_contrast():
    z = torch.randn(1, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = supervised_contrastive(z, torch.tensor([0]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert z.grad.tolist() == [[0, 0, 0]]
