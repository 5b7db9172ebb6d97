"""The study in its tiny preset: each kind of swap works on the store made for it and not on the other."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from inscape.control.sequence_swaps import SubspaceSwap
from inscape.studies.control.onion_representations import WINDOW, Config, _learn
from inscape.study.runner import run_study
from inscape.worlds.sequence_repeat import SlotStore
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("onion-representations", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_onion_finds_the_magnitudes(folder):
    stores = pd.read_parquet(folder / "tables" / "stores.parquet").set_index("store")
    assert (
        stores.loc["onion by hand", "onion"]
        > stores.loc["onion by hand", "onion, one magnitude"] + 0.3
    )
    assert stores.loc["onion by hand", "onion"] > 0.8
    assert stores.loc["onion by hand", "onion, positions permuted"] < 0.3
    assert stores.loc["slots by hand", "unigram subspaces"] > 0.95
    probes = pd.read_parquet(folder / "tables" / "probes.parquet")
    last = probes[probes["x"] == 4].set_index("series")["value"]
    assert last["linear, slots by hand"] > 0.95 > last["linear, onion by hand"] + 0.3


def test_training_ends_where_the_loss_stops_falling():
    stream = torch.Generator().manual_seed(0)
    config = Config(sizes=(), seeds=(), steps=(), swap_steps=(), symbols=5, longest=3, swap_lr=0.0)
    net = SlotStore(5, 3, 9, stream)
    # without a learning rate nothing falls; three windows must be seen to tell
    swap = SubspaceSwap(3, 9, stream)
    stopped = _learn(config, net, swap, 20 * WINDOW, stream)
    assert stopped is not None
    assert stopped >= 3 * WINDOW
    assert stopped % WINDOW == 0
    assert _learn(config, net, swap, 2 * WINDOW, stream) is None


def test_refusals():
    with pytest.raises(ValueError, match="must be as many as each other"):
        Config(sizes=(4,))
    with pytest.raises(ValueError, match="shortest must be 1 to longest"):
        Config(shortest=9)
