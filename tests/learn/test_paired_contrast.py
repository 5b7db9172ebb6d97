"""The objective of two towers: against its definition, and what it does not ask."""

from __future__ import annotations

import pytest
import torch

from inscape.learn.paired_contrast import paired_contrast


def test_it_is_the_mean_of_both_cross_entropies_of_cosines():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)
    total = 0.0
    for x, y in ((a, b), (b, a)):
        for i in range(6):
            cosines = torch.stack([torch.cosine_similarity(x[i], y[j], dim=0) for j in range(6)])
            total += float(torch.logsumexp(cosines / 0.3, 0) - cosines[i] / 0.3)
    assert abs(float(paired_contrast(a, b, 0.3)) - total / 12) < 1e-9
    assert torch.allclose(paired_contrast(5 * a, b, 0.3), paired_contrast(a, b, 0.3))
    assert paired_contrast(a, a, 0.3) < paired_contrast(a, b, 0.3)


def test_a_paired_contrast_needs_a_positive_temperature():
    with pytest.raises(
        ValueError, match="paired_contrast: sides must have one shape and temperature"
    ):
        paired_contrast(torch.eye(3), torch.eye(3), -0.1)
