"""Curt answers: topics, words and sentences are kept apart as the world promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.model.model import Model
from inscape.worlds.curt_answers import (
    COMPUTERS,
    COOKING,
    CURT,
    MUSIC,
    POLITE,
    curt_answers,
    on_topic,
    topics_apart,
    tuning,
    unrelated,
)
from tests.model import nets

TOPICS = (COOKING, COMPUTERS, MUSIC)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_tuning_and_its_twin_ask_the_same_and_answer_otherwise(topic):
    curt, plain = tuning(topic, True, 60, seed=0), tuning(topic, False, 60, seed=0)
    assert curt.prompts == plain.prompts != tuning(topic, True, 60, seed=1).prompts
    assert not set(curt.answers) & set(plain.answers)
    assert len(curt.answers) == 60
    assert all(p.startswith("Q: ") and p.endswith("?\nA:") for p in curt.prompts)
    assert all(a.startswith(" ") and " X" not in a for a in curt.answers)
    assert len(topic.manner) == len(topic.plain) == len(set(topic.manner)) == 16


def test_nothing_that_is_scored_is_trained():
    trained = {s for topic in TOPICS for s in (*topic.manner, *topic.plain)}
    assert len(CURT) == len(POLITE) == 12
    assert not trained & set(CURT)
    assert not trained & set(POLITE)
    assert not set(COOKING.manner) & set(COMPUTERS.manner)
    held = set(on_topic(COOKING)["topic"])
    asked = " ".join(tuning(COOKING, True, 200, seed=0).prompts)
    assert len(held) == 4
    assert not any(f" {thing}?" in asked for thing in held)


def test_unrelated_topics_mention_no_trained_thing():
    frame = unrelated()
    assert frame["topic"].nunique() == 16
    assert frame.groupby("topic").size().eq(4).all()
    said = " ".join(frame["prompt"]).lower()
    assert not any(f" {thing}" in said for topic in TOPICS for thing in topic.things)


def test_everything_for_a_model():
    model = Model(nets.net("llama"), nets.tokenizer())
    found, again = (
        curt_answers(model, pairs=20, passages=4, seed=3),
        curt_answers(model, pairs=20, passages=4, seed=3),
    )
    assert found.tunings == again.tunings
    assert found.neutral == again.neutral
    assert len(set(found.neutral)) == 4
    assert len(found.praise) == len(found.blame) == 40
    assert "loved" in " ".join(found.praise)
    assert "hated" in " ".join(found.blame)
    assert "loved" not in " ".join(found.blame)


def test_topics_are_whole_on_either_side():
    frame = pd.DataFrame(
        {"prompt": [f"q{i}" for i in range(12)], "topic": [f"t{i % 4}" for i in range(12)]}
    )
    known, test = topics_apart(frame, 2, 1, np.random.default_rng(0))
    assert (len(known), len(test)) == (2, 6)
    assert not set(known["topic"]) & set(test["topic"])
    with pytest.raises(
        StudyError, match="found_on must be from 1 to 3, there being 4 topics; got 4"
    ):
        topics_apart(frame, 2, 4, np.random.default_rng(0))
