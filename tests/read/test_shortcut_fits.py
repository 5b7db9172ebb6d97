"""The site from which a map explains most."""

from __future__ import annotations

import numpy as np
import torch

from inscape.read.linear_shortcut import explained
from inscape.read.shortcut_fits import best_source


def test_the_site_that_holds_the_goal_is_taken_with_its_map():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(200, 4)).astype(np.float32))
    goal = x @ torch.from_numpy(rng.normal(size=(4, 3)).astype(np.float32)) + 1
    noise = torch.from_numpy(rng.normal(size=(200, 4)).astype(np.float32))
    site, fit = best_source({"noise": noise, "signal": x, "both": x + noise}, goal)
    assert site == "signal"
    assert explained(goal.numpy(), fit(x).numpy()) > 0.99
    assert fit.inner > 0.95
