"""What the group alone gives: everything where it was seen, nothing where it was held out."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.probing.group_mean import group_mean
from inscape.probing.sweep import sweep


@pytest.fixture(scope="module")
def sweeps():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 15)
    y = rng.uniform([-50, -150], [60, 150], (12, 2))[groups] + rng.normal(size=(180, 2))
    x = {"resid_post.0": y @ rng.normal(size=(2, 8)) + rng.normal(size=(180, 8)) * 20}
    return {s: sweep(x, y, groups=groups, split=s, shuffles=0) for s in ("random", "group")}


def test_the_groups_mean_is_an_oracle_only_where_the_group_was_seen(sweeps):
    assert min(e.value for e in group_mean(sweeps["random"])) > 0.98
    for e in group_mean(sweeps["group"]):
        assert e.value == pytest.approx(
            0, abs=1e-12
        )  # no row of the group in training: the training mean is left
