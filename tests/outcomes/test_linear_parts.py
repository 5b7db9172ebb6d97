"""Parts of blocks replaced by linear maps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.rng import generator
from inscape.data.load import load
from inscape.model.model import Model
from inscape.outcomes.linear_parts import PARTS, part_pairs, replaced_parts
from inscape.read.linear_shortcut import ShortcutMoments
from inscape.read.states import states
from tests.model import nets


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


@pytest.fixture(scope="module")
def texts():
    words = [
        "the river is a sea",
        "Paris is a mountain",
        "it is the river",
        "a sea is the mountain",
    ]
    rows = [f"{a} {b}" for a in words for b in words]
    return load(pd.DataFrame({"text": rows, "group": np.arange(16) // 4}), group="group")


def test_parts_are_those_of_every_kth_block(model):
    assert part_pairs(model, 0) == {}
    every = part_pairs(model, 1)
    assert {kind for kind, _ in every} == set(PARTS)
    assert every["MLP", 1] == ("mlp_in.1", "mlp_out.1")
    assert {i for _, i in part_pairs(model, 2)} == {1}


def test_a_linear_map_costs_less_than_the_mean_and_each_part_is_judged_alone(model, texts):
    pairs = {part: pair for part, pair in part_pairs(model, 2).items() if part[0] == "MLP"}
    moments = ShortcutMoments([*pairs.values()])
    sites = sorted({site for pair in pairs.values() for site in pair})
    for rows in states(model, texts, sites, last=True):
        for part in range(2):
            here = torch.from_numpy(np.flatnonzero(rows.example % 2 == part))
            moments.add({site: x[here] for site, x in rows.at.items()}, part)
    calls: list[int] = []
    (found,) = replaced_parts(
        model,
        texts.take(np.arange(6)),
        pairs,
        moments,
        moments.fit(),
        rng=generator(0, "replaced"),
        advance=lambda: calls.append(1),
    )
    assert found.where["part"] == "MLP, block 1"
    assert 0 <= found.value < found.beside[0].value
    assert found.where["inner R²"] > 0
    assert len(calls) == 1
