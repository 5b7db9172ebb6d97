"""The deep linear network: a balanced start, its skew, and networks that are independent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.nets.deep_linear import DeepLinear


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_it_begins_balanced_and_small(depth):
    net = DeepLinear(depth, 4, 0.02, networks=3, rng=np.random.default_rng(0))
    values = torch.linalg.svdvals(net.encoder())
    torch.testing.assert_close(values, torch.full((3, 4), 0.02, dtype=torch.float64))
    for below, above in zip(list(net.layers), list(net.layers)[1:], strict=False):
        torch.testing.assert_close(above.mT @ above, below @ below.mT)
    # networks have orthogonal matrices of their own
    assert (net.encoder()[0] - net.encoder()[1]).abs().max() > 1e-3


def test_what_the_predictor_gives_is_aligned_with_its_target():
    eye = torch.eye(4, dtype=torch.float64)[None]
    each = 0.01 ** (1 / 3)
    latent = DeepLinear(3, 4, 0.01, rng=np.random.default_rng(0))
    torch.testing.assert_close(latent.predictor @ latent.encoder(), each * latent.encoder())
    data = DeepLinear(3, 4, 0.01, latent=False, rng=np.random.default_rng(0))
    torch.testing.assert_close(data.predictor @ data.encoder(), each * 0.01 * eye)


def test_a_skew_keeps_the_product_and_breaks_the_balance():
    even = DeepLinear(3, 4, rng=np.random.default_rng(0))
    skewed = DeepLinear(3, 4, skew=2.0, rng=np.random.default_rng(0))
    torch.testing.assert_close(even.encoder(), skewed.encoder())
    first, second = list(skewed.layers)[:2]
    torch.testing.assert_close(first @ first.mT, 4 * second.mT @ second)


def test_refusals():
    for bad in ({"depth": 0}, {"scale": 0.0}, {"skew": -1.0}, {"depth": 1, "skew": 2.0}):
        with pytest.raises(ValueError, match="needs at least one layer, a scale and a skew above"):
            DeepLinear(**{"depth": 2, "width": 3, **bad}, rng=np.random.default_rng(0))
