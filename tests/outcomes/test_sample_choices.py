"""Ways of choosing among samples, on answers whose rightness is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inscape.data.examples import Examples
from inscape.model.continuations import Continuation
from inscape.outcomes.questions import answered
from inscape.outcomes.sample_choices import (
    BEST,
    GREEDY,
    LIKELIEST,
    MAJORITY,
    PREFERRED,
    RANDOM,
    Choices,
    sample_choices,
)


def said(text: str, logprob: float) -> Continuation:
    ids = np.arange(2)
    return Continuation(text, ids, np.full(2, logprob), np.ones(2), True)


def test_each_way_of_choosing_takes_the_sample_it_should():
    frame = pd.DataFrame({"prompt": ["a:", "b:"], "answers": ["Lima", "Quito"], "group": [0, 1]})
    questions = Examples(frame, "prompt", (), "group")
    made = [
        said(" Lima.", -3.0),
        said(" Bogota.", -1.0),
        said(" bogota.", -2.0),
        said(" Quito.", -1.0),
        said(" Lima.", -2.0),
        said(" Quito.", -3.0),
    ]
    of = np.repeat([0, 1], 3)
    samples = answered(questions, made, of)
    score = np.array([5.0, 1.0, 2.0, 0.0, 9.0, 1.0])
    found = sample_choices(samples, of, score)
    expected = {
        RANDOM: [1 / 3, 2 / 3],
        MAJORITY: [0, 1],
        PREFERRED: [1, 0],
        LIKELIEST: [0, 1],
        BEST: [1, 1],
    }
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert np.allclose(found[name], values), name


def test_choices_are_measured_over_all_questions_by_kind_and_where_the_right_one_is_seldom():
    rng = np.random.default_rng(0)
    kind = np.repeat(["right", "torn", "scattered"], 10)
    best = (kind != "scattered") * 1.0
    right = {
        GREEDY: (kind == "right") * 1.0,
        RANDOM: np.where(kind == "right", 0.8, np.where(kind == "torn", 0.2, 0.0)),
        PREFERRED: best * (rng.random(30) < 0.9),
        BEST: best,
    }
    choices = Choices(right, kind, np.arange(30))
    m = choices.measured()
    assert {name: c.role for name, c in m.conditions.items()} == {
        GREEDY: "baseline",
        RANDOM: "reference",
        PREFERRED: "treatment",
        BEST: "ceiling",
    }
    assert choices.seldom.tolist() == (kind == "torn").tolist()
    torn = choices.measured(choices.seldom, "right at times")
    assert torn.value(RANDOM).value == 0.2
    assert torn.value(RANDOM).n == 10
    assert torn.value(RANDOM).where == {"mistake": "right at times"}
    rows = {(e.where["mistake"], e.where["condition"]): e.value for e in choices.by_kind()}
    assert rows["right", GREEDY] == 1.0
    assert rows["scattered", BEST] == 0.0
    assert len(rows) == 12
    assert choices.rates(choices.seldom).startswith("greedy 0.00, random sample 0.20, ")
