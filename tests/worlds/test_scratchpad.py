"""The scratchpad world: the rule is met, settled in the scratchpad, and told by no cue alone."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

#: the package offers the function of this name
world = importlib.import_module("inscape.worlds.scratchpad")


@pytest.fixture(scope="module")
def made():
    return world.scratchpad(cues=2, each=2, width=64, blocks=2, steps=150)


def test_both_tasks_are_learnt_and_a_rule_is_met(made):
    assert made.model.certificate.passed
    assert made.accuracy > 0.9
    assert made.counts > 0.9
    said = made.model.generate(made.requests.texts(), 12)
    right = [f"=> {a}" in s for s, a in zip(said, made.requests.frame["answer"], strict=True)]
    assert np.mean(right) > 0.9
    assert 0 < made.requests.frame["declined"].mean() < 1
    number = made.model.generate(made.counting.texts(), 12)
    assert (
        np.mean(
            [f"=> {a} ." in s for s, a in zip(number, made.counting.frame["answer"], strict=True)]
        )
        > 0.9
    )


def test_untrained_it_meets_no_rule(made):
    said = made.model.untrained(0).generate(made.requests.texts()[:20], 12)
    assert (
        np.mean([f"=> {a}" in s for s, a in zip(said, made.requests.frame["answer"], strict=False)])
        < 0.2
    )


def test_no_cue_alone_tells_and_all_together_do(made):
    frame = made.requests.frame
    counts = frame["group"].str.split(expand=True).to_numpy()
    odd = np.zeros(len(frame), dtype=int)
    for j, name in enumerate(list(world.CUES)[:2]):
        word = counts[:, j]
        half = np.array([world.CUES[name].index(w) >= 2 for w in word])
        odd += half
        assert abs(np.corrcoef(half, frame["declined"])[0, 1]) < 0.1
        for part, text in zip(word, frame["prompt"], strict=True):
            assert f" {part} " in text
    assert (odd % 2 == frame["declined"]).all()


def test_the_words_of_tone_carry_the_verdict(made):
    """Turned in the scratchpad, whatever the tally says, they turn what is said."""
    texts = made.requests.texts()[:24]
    said = [s.partition("=>")[0].split()[:6] for s in made.model.generate(texts, 12)]
    for tone, verdict in zip(world.TONES, (world.ANSWER, world.DECLINE), strict=True):
        whole = [
            f"{t}{' '.join(s)} {' '.join(tone[:1] * world.SAID)} =>"
            for t, s in zip(texts, said, strict=True)
        ]
        assert np.mean([s.startswith(verdict) for s in made.model.generate(whole, 1)]) > 0.9


def test_prompts_are_as_the_texts_it_was_trained_on(made):
    language = world._Language(2, tuple(range(6)))
    ids = language.draw(200, torch.Generator().manual_seed(0))
    assert ids.shape == (200, language.start + 3 * 2 + world.SAID + 3)
    assert len(language.weights()) == ids.shape[1] - language.start
    texts = [" ".join(language.words[i] for i in row[: language.start]) for row in ids.tolist()]
    assert all(t.endswith(world.GO) for t in texts)
    assert {len(t.split()) for t in texts} == {len(t.split()) for t in made.requests.texts()}
    share = np.mean([f" {world.REQUEST} " in t for t in texts])
    assert 0.5 < share < 0.7


def test_refusals():
    with pytest.raises(ValueError, match="cues must be 2 to 4, got 1"):
        world.scratchpad(cues=1)
