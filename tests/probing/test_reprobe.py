"""Re-probing: probes that are told find what was moved, probes that are not lose it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.leace import LeaceEraser
from inscape.core.edit import Add, ProjectOut, Scope
from inscape.outcomes.passes import gather
from inscape.outcomes.side_effects import PLAIN
from inscape.probing.reprobe import Reprobe
from tests.model import nets


def test_probes_that_are_told_find_what_was_moved_and_not_what_was_erased(model, few):
    site = "resid_post.1"
    x, y = gather(model, few, site), few.target("nice")[:, 0].astype(int)
    push = Add(Scope(site), torch.from_numpy(5 * (x[y == 1].mean(0) - x[y == 0].mean(0))))
    erase = LeaceEraser().fit(x.astype(np.float64), y).edit(Scope(site))
    edits = {PLAIN: [], "push": [push], "erase": [erase]}
    states = {name: gather(model, few, site, edits=e) for name, e in edits.items()}
    found = Reprobe(few, site, states, PLAIN, shuffles=3)
    rows = {
        (e.where["condition"], e.where["probe"]): e
        for e in found.still_there("nice", ["push", "erase"])
    }
    for kind in ("linear", "MLP"):
        assert rows[PLAIN, kind].value > 0.9
        assert rows["push", kind].value > 0.9
    assert rows["erase", "linear"].value < 0.7
    assert all(e.null is not None and e.interval is not None for e in rows.values())


def test_probes_that_are_not_told_lose_what_was_moved_and_keep_what_was_not(model, few):
    site = "resid_post.0"
    at = Scope(site)
    rng = np.random.default_rng(0)
    tiny, other = (
        Add(at, torch.from_numpy(1e-4 * rng.normal(size=nets.D)).float()) for _ in range(2)
    )
    huge = ProjectOut(at, torch.eye(nets.D)[:-1])
    edits = {PLAIN: [], "tiny": [tiny], "other": [other], "huge": [huge]}
    states = {name: gather(model, few, site, edits=e) for name, e in edits.items()}
    found, nudges = Reprobe(few, site, states, PLAIN, shuffles=2), ["tiny", "other"]
    assert found.left_alone("who", "tiny", nudges, "a nudge").value == pytest.approx(0, abs=0.02)
    lost = found.left_alone("nice", "huge", nudges, "a nudge")
    assert lost.value >= 0
    assert lost.null.mean == pytest.approx(0, abs=0.02)
