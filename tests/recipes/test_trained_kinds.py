"""Kinds of network: each is trained as it is alone, and stands beside its own start."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.learn.fit import Budget
from inscape.learn.gradient import Gradient
from inscape.nets.plain_cnn import PlainCNN
from inscape.nets.small_vit import SmallVit
from inscape.recipes.scene_namers import namer, plain_namer
from inscape.recipes.trained_kinds import trained_kinds
from inscape.study.arms import UNTRAINED, arms
from inscape.worlds.captioned_scenes import COUNTS, SIDE

CNN, VIT = "plain cnn", "transformer"
TEST = torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
METRICS = {"score": lambda net, k: net(TEST)[:, 0]}


def kinds():
    return {
        CNN: plain_namer(4),
        VIT: namer(lambda: SmallVit(3, SIDE, sum(COUNTS), width=8, blocks=1), Gradient(lr=2e-3)),
    }


def test_each_kind_is_what_it_is_alone_and_stands_beside_its_own_start(opened):
    with opened() as run:
        found = trained_kinds(run, kinds(), metrics=METRICS, budget=Budget(2), seeds=2)
        folder = run.path
    names = [CNN, f"{UNTRAINED} {CNN}", VIT, f"{UNTRAINED} {VIT}"]
    assert list(found.nets) == list(found.values["score"]) == list(found.roles) == names
    assert [found.roles[name] for name in names] == ["treatment", "reference"] * 2
    for name, kind in zip(names, [PlainCNN, PlainCNN, SmallVit, SmallVit], strict=True):
        assert [type(net) for net in found.nets[name]] == [kind] * 2
        for net, score in zip(found.nets[name], found.values["score"][name], strict=True):
            np.testing.assert_array_equal(score, net(TEST)[:, 0].detach())
    with opened("alone") as run:
        alone = arms(
            run, {CNN: kinds()[CNN]}, metrics=METRICS, budget=Budget(2), seeds=2, name="plain-cnn"
        )
    for name, arm in ((CNN, CNN), (f"{UNTRAINED} {CNN}", UNTRAINED)):
        for ours, theirs in zip(found.nets[name], alone.nets[arm], strict=True):
            assert all(
                torch.equal(a, b) for a, b in zip(*map(_weights, (ours, theirs)), strict=True)
            )
    trained, start = (_weights(found.nets[name][0]) for name in names[:2])
    assert not all(torch.equal(a, b) for a, b in zip(trained, start, strict=True))
    assert list(found.costs["arm"]) == list(found.losses) == [CNN, VIT]
    assert found.losses[VIT].shape == (2, 2)
    for kind in ("plain-cnn", "transformer"):
        assert len(pd.read_parquet(folder / "tables" / f"{kind}-costs.parquet")) == 1


def _weights(net: torch.nn.Module) -> list[torch.Tensor]:
    return list(net.parameters())


def test_a_kind_is_needed(opened):
    with opened() as run, pytest.raises(ValueError, match="needs at least one kind of network"):
        trained_kinds(run, {}, metrics={}, budget=Budget(1))
