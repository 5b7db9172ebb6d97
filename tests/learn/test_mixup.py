"""Mixed inputs have the labels of what they are mixed of, in the same shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.learn.mixup import mixup


def test_labels_are_mixed_as_inputs_are():
    y = torch.eye(6)
    x = y.reshape(6, 1, 2, 3)
    mixed, labels = mixup(x, y, rng=np.random.default_rng(0))
    assert mixed.shape == x.shape
    assert torch.allclose(mixed.reshape(6, 6), labels)
    assert torch.allclose(labels.sum(1), torch.ones(6))
    assert ((labels > 0) == (y + y.flip(0) > 0)).all()


def test_a_small_strength_hardly_mixes_and_a_large_one_halves():
    y = torch.eye(200)
    least = {
        a: mixup(y, y, strength=a, rng=np.random.default_rng(1))[1].amax(1).mean()
        for a in (0.01, 1.0, 500.0)
    }
    assert least[0.01] > 0.97
    assert 0.7 < least[1.0] < 0.8
    assert least[500.0] < 0.55


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan")])
def test_mixing_needs_a_strength(strength):
    with pytest.raises(ValueError, match="strength must be positive and each input have a label"):
        mixup(torch.eye(2), torch.eye(2), strength=strength, rng=np.random.default_rng(0))
