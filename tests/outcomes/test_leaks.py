"""Leaks: of the model as it stands, with adapters and without; shifts are those of the adapters alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.low_rank_adapter import attached, low_rank_adapters, writers
from inscape.model.continuations import continuations
from inscape.model.model import Model
from inscape.outcomes.leaks import Leak, own_direction, shifts
from inscape.outcomes.own_answers import Manner, Speaker
from inscape.outcomes.paired_answers import PairedAnswers
from tests.model import nets

PROMPTS = ["the capital is", "a river runs in the"]
SITES = ["resid_post.0", "resid_post.2"]


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


def adapters(model, scale):
    """Adapters that do nothing at scale 0."""
    stream = torch.Generator().manual_seed(0)
    made = low_rank_adapters(model, writers(model, "mlp_out", [1]), 1, generator=stream)
    with torch.no_grad():
        for up in made.up.values():
            up.copy_(scale * torch.randn(up.shape, generator=stream))
    return made


def manner(model):
    said = continuations(model, PROMPTS, 3, samples=6, temperature=1.0, seed=4, stop="\n")
    return Manner({said[0][0].text.split()[0].lower(): 1.0})


def test_adapters_that_do_nothing_leak_nothing(model):
    pairs = PairedAnswers.of(model, PROMPTS, ["good !"], ["bad film ."])
    leak = Leak(PROMPTS, pairs, Speaker(3, 6, 4), manner(model))
    plain = leak.under()
    assert plain.shape == (2, 2)
    assert np.allclose(plain[0], pairs.scores())
    assert 0 < plain[1].mean() < 1
    assert np.allclose(leak.under(adapters(model, 0.0)), plain, atol=1e-5)
    busy = adapters(model, 3.0)
    tuned = leak.under(busy)
    assert np.abs(tuned[0] - plain[0]).max() > 1e-3
    with attached(model, busy):
        assert np.allclose(tuned[1], leak.share())


def test_what_tunes_add_begins_where_they_write(model):
    tunes = {"idle": adapters(model, 0.0), "busy": adapters(model, 3.0)}
    found = shifts(model, tunes, PROMPTS, PROMPTS[:1], 3, SITES)
    assert found.plain.shape == (2, 2, nets.D)
    assert np.abs(found.added["idle"]).max() < 1e-5
    assert np.abs(found.added["busy"][:, 0]).max() < 1e-5  # the block before the adapter
    assert np.abs(found.added["busy"][:, 1]).max() > 1e-2
    assert found.said[""] == found.said["idle"] == model.generate(PROMPTS[:1], 3)


def test_a_tunes_own_direction_is_that_of_its_own_answers(model):
    made, speaker, own = adapters(model, 0.0), Speaker(3, 6, 4), manner(model)
    codes = np.array([0, 1])
    direction, (answers, inside) = own_direction(model, made, speaker, own, PROMPTS, codes, SITES)
    states, y, _ = speaker.states(model, PROMPTS, own, SITES)
    assert (answers, inside) == (len(y), y.sum())
    assert direction.shape == (3, 2, nets.D)
    assert np.allclose(direction[0], states[y].mean(axis=0) - states[~y].mean(axis=0), atol=1e-5)
