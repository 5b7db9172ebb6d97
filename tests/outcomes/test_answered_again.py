"""Samples stand beside their questions, as many as were asked for, and are repeatable."""

from __future__ import annotations

import numpy as np

from inscape.outcomes.answered_again import answered_again, answered_greedily
from inscape.worlds.hearsay import STOP, hearsay


def test_every_sample_knows_its_question():
    world = hearsay(steps=40)
    questions, rows = world.questions, np.array([1, 4, 7])
    option = dict(tokens=3, samples=3, stop=STOP, temperature=1.0)
    found = answered_again(world.model, questions, rows, seed=5, **option)
    assert set(found.of) <= {0, 1, 2}
    assert len(found.of) == len(found.samples) <= 9
    assert np.array_equal(rows[found.of], found.samples.rows)
    texts = questions.texts()
    for text, k in zip(found.samples.texts.texts(), found.of, strict=True):
        assert text.startswith(texts[rows[k]])
    again = answered_again(world.model, questions, rows, seed=5, **option)
    assert again.samples.texts.texts() == found.samples.texts.texts()
    other = answered_again(world.model, questions, rows, seed=6, **option)
    assert other.samples.texts.texts() != found.samples.texts.texts()


def test_greedy_answers_are_those_of_a_sample_at_no_temperature():
    world = hearsay(steps=40)
    questions, told = world.questions.take(np.arange(6)), []
    asked, kept, silent = answered_greedily(
        world.model, questions, 3, stop=STOP, advance=told.append
    )
    assert len(asked) + silent == 6
    assert 0 <= kept <= 1
    assert sum(told) == 6
    option = dict(tokens=3, samples=1, stop=STOP, temperature=0.0)
    again = answered_again(world.model, questions, np.arange(6), **option)
    assert again.samples.texts.texts() == asked.texts.texts()
