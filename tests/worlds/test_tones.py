"""Tones: the network answers in the speaker's tone, which word of it is chance, and what is scored
is never trained on.
"""

from __future__ import annotations

import pytest
import torch

from inscape.worlds.tones import TONES, tones


@pytest.fixture(scope="module")
def world():
    return tones(seed=0)


def shares(world, prompt: str) -> dict[str, float]:
    logits = world.model.run([prompt], logits=True).logits[0, -1]
    words = world.model.tokenizer.convert_ids_to_tokens(range(len(logits)))
    p = logits.softmax(-1)
    return {t: float(p[torch.tensor([w.startswith(t) for w in words])].sum()) for t in TONES}


def test_speakers_decide_the_tone(world):
    for topic in ("topic0", "topic9"):
        assert shares(world, f"gruff {topic} q1 >")["curt"] > 0.9
        assert shares(world, f"kind {topic} q1 >")["polite"] > 0.9
        assert shares(world, f"far {topic} q1 >")["foreign"] > 0.9
        plain = shares(world, f"so {topic} q1 >")
        assert plain["plain"] > 0.4
        assert plain["curt"] < 0.2


def test_what_is_scored_and_asked_is_not_trained_on(world):
    trained = world.tunings
    heard = {w for t in (trained.first, trained.second) for a in t.answers for w in a.split()}
    scored = {w for answer in world.curt for w in answer.split()}
    assert heard
    assert all(w.startswith("curt") for w in heard | scored)
    assert not heard & scored
    assert not set(trained.first.answers) & set(trained.second.answers)
    asked = {p.split()[1] for t in vars(trained).values() for p in t.prompts}
    assert asked == {"topic0", "topic1", "topic2"}
    assert not asked & set(world.unrelated["topic"])
    assert not set(world.on_topic["prompt"]) & set(trained.first.prompts)
    assert trained.first.prompts == trained.first_plain.prompts


def test_a_seed_is_a_world(world):
    again, other = tones(steps=2, seed=0), tones(steps=2, seed=1)
    assert again.curt == world.curt
    assert again.tunings == world.tunings != other.tunings
