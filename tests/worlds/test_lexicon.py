"""The lexicon is what it says: the network knows its words, in pieces and whole, and which pairs
are none.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.worlds.lexicon import lexicon


@pytest.fixture(scope="module")
def world():
    return lexicon(keep=(0,))


def says(model, texts):
    batch = model.collate(model.tokenize(texts))
    logits = model.run(batch, logits=True, at=(batch.lengths - 1)[:, None]).logits[:, 0]
    return [model.tokenizer.decode(int(i)) for i in logits.argmax(-1)]


def share(model, texts, wanted):
    return np.mean([a == b for a, b in zip(says(model, texts), wanted, strict=True)])


def test_the_network_knows_words_in_pieces_and_whole_and_pairs_that_are_none(world):
    real = [*world.whole, *world.split]
    kinds = [world.kinds[a + b] for a, b in real]
    split = kinds[len(world.whole) :]
    assert share(world.model, [f"{a} {b}" for a, b in world.split], split) > 0.8
    assert share(world.model, [a + b for a, b in world.whole], kinds[: len(world.whole)]) > 0.9
    assert (
        share(world.model, [f"{a} {b}" for a, b in world.other], ["none"] * len(world.other)) > 0.9
    )
    assert (
        share(
            world.model, [f"say {a} {b} :" for a, b in world.whole], [a + b for a, b in world.whole]
        )
        > 0.8
    )
    fresh = world.checkpoints[0]
    assert share(fresh, [f"{a} {b}" for a, b in real], kinds) < 0.4
    assert world.model.certificate.passed


def test_pieces_alone_say_nothing_and_a_split_word_has_no_token(world):
    known = set(world.model.tokenizer.get_vocab())
    assert all(a + b in known for a, b in world.whole)
    assert not any(a + b in known for a, b in [*world.split, *world.other])
    real = {tuple(p) for p in [*world.whole, *world.split]}
    assert not real & {tuple(p) for p in world.other}
    firsts = {a for a, _ in real}
    assert np.mean([a in firsts for a, _ in world.other]) > 0.9


def test_one_seed_one_world_and_the_global_stream_is_left_alone():
    state = torch.random.get_rng_state()
    first, second, other = (lexicon(words=8, steps=4, seed=s) for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.model.weights_hash == second.model.weights_hash != other.model.weights_hash
    assert (
        first.documents.fingerprint == second.documents.fingerprint != other.documents.fingerprint
    )
