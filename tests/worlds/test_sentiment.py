"""The world of sentiment is what it says: pairs of opposites, a network that sums them up, one seed
one world.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.worlds.sentiment import VERDICTS, sentiment


@pytest.fixture(scope="module")
def world():
    return sentiment(words=8, steps=100)


def test_the_network_learns_it_and_an_untrained_one_does_not_know(world):
    assert world.accuracy == 1.0
    assert world.model.certificate.passed
    y = world.examples.target("positive")[:, 0]
    ids = [[world.model.tokenizer(w)["input_ids"][0] for w in side] for side in VERDICTS]
    for model, low, high in ((world.model, 1.0, 1.0), (world.model.untrained(0), 0.2, 0.8)):
        tokens = model.tokenize(world.examples.texts())
        last = torch.tensor([[len(t) - 1] for t in tokens])
        logits = model.run(tokens, logits=True, at=last).logits[:, 0]
        guess = logits[:, ids[0]].mean(dim=1) > logits[:, ids[1]].mean(dim=1)
        assert low <= (guess.numpy() == (y == 1)).mean() <= high


def test_rows_of_a_pair_differ_in_the_words_of_feeling_alone(world):
    frame = world.examples.frame
    assert (frame["positive"].to_numpy().reshape(-1, 2) == [1, 0]).all()
    for i in range(0, len(frame), 2):
        a, b = (frame["text"][j].split() for j in (i, i + 1))
        assert len(a) == len(b)
        assert sum(x != y for x, y in zip(a, b, strict=True)) == 2
    for i in (0, 30, 77):
        for name, (start, end) in world.examples.span(i).items():
            word = frame["text"][i][start:end]
            assert word == ("ends" if name == "end" else frame[name][i])


def test_no_word_of_feeling_is_in_two_groups(world):
    frame = world.examples.frame
    assert frame.groupby("adjective")["words"].nunique().max() == 1
    assert frame.groupby("verb")["words"].nunique().max() == 1
    assert not set(frame["adjective"]) & set(frame["verb"])


def test_one_seed_one_world_and_the_global_stream_is_left_alone():
    state = torch.random.get_rng_state()
    first, second, other = (sentiment(words=4, steps=5, seed=s) for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.model.weights_hash == second.model.weights_hash != other.model.weights_hash
    assert first.examples.fingerprint == second.examples.fingerprint != other.examples.fingerprint
    assert np.isfinite(first.accuracy)
