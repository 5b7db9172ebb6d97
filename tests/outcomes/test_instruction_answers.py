"""Answers to checkable instructions: graded, with their spans, and given again under a
direction.
"""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from inscape.data.load import load
from inscape.model.continuations import Continuation, continuations
from inscape.model.model import Model
from inscape.outcomes.instruction_answers import (
    InstructionAnswers,
    Steered,
    followed,
    success_rates,
)
from tests.model import nets


def said(text: str) -> Continuation:
    return Continuation(text, np.array([4, 5]), np.zeros(2), np.ones(2), True)


@pytest.fixture(scope="module")
def prompts():
    frame = pd.DataFrame(
        {
            "text": ["the river is", "Paris is", "a mountain", "it is the"],
            "kind": ["ending", "ending", "commas", "commas"],
            "word": ["that is all", "that is all", "", ""],
            "task": ["x", "y", "x", "y"],
            "phrasing": ["a", "b", "a", "a"],
        }
    )
    return load(frame, input="text", group="task")


MADE = [said(" A sea, that is all."), said(" A sea."), said("  "), said(" Wide and deep.")]


@pytest.fixture(scope="module")
def answers(prompts):
    return InstructionAnswers.of(prompts, prompts.texts(), MADE)


def test_answers_are_graded_and_empty_ones_left_out(prompts, answers):
    assert followed(prompts.frame, MADE).tolist() == [True, False, False, True]
    assert answers.right.tolist() == [True, False, True]
    assert answers.kinds.tolist() == ["ending", "ending", "commas"]
    assert answers.groups.tolist() == [0, 1, 1]


def test_spans_are_the_prompts_end_and_the_answers_middle_and_end(answers):
    text, spans = answers.examples.texts()[1], answers.examples.span(1)
    assert text == "Paris is A sea."
    (a, b), (c, d), (e, f) = (spans[n] for n in ("first", "middle", "last"))
    assert (text[a:b], text[e:f]) == ("s", ".")
    assert len("Paris is ") < d < len(text)
    assert not text[c:d].isspace()


def test_success_by_kind_and_phrasing_stands_beside_all_phrasings(prompts):
    rows = success_rates(prompts, followed(prompts.frame, MADE))
    assert [(e.where["kind"], e.where["phrasing"], e.value) for e in rows] == [
        ("ending", "a", 1.0),
        ("ending", "b", 0.0),
        ("commas", "a", 0.5),
    ]
    assert [e.beside[0].value for e in rows] == [0.5, 0.5, 0.5]


def test_failures_are_those_of_kinds_that_are_followed_often_enough(answers):
    every = np.arange(3)
    assert answers.failures(every, 0.5).tolist() == [False, True, False]
    assert answers.failures(every, 0.6).tolist() == [False, False, False]
    assert answers.failures(np.array([1, 2]), 0.1).tolist() == [False, False, False]


def test_length_and_phrasing_need_no_look_inside(answers):
    x = answers.surface(Model(nets.net("llama"), nets.tokenizer()))
    assert x.shape == (3, 4)
    assert np.array_equal(x[:, 1], x[:, 0] ** 2)
    assert x[:, 2:].tolist() == [[1, 0], [0, 1], [1, 0]]


def test_without_a_push_answers_are_those_given_before_and_a_strong_push_changes_them(answers):
    model = Model(nets.net("llama"), nets.tokenizer())
    bar = SimpleNamespace(advance=lambda n=1: None)
    steered = Steered(model, answers, 4, "", lambda *a, **k: nullcontext(bar))
    which, d = np.array([0, 2]), np.random.default_rng(0).normal(size=32)
    right, out = steered.ask(which, np.stack([0 * d, 50 * d]), "resid_post.0")
    plain = continuations(model, [answers.texts[i] for i in which], 4)
    assert [o[0].ids.tolist() for o in out] == [p[0].ids.tolist() for p in plain]
    assert [o[1].ids.tolist() for o in out] != [p[0].ids.tolist() for p in plain]
    assert right.shape == (2, 2)
    nats, tokens = steered.losses(which, [o[0] for o in out])
    heads = model.tokenize([answers.texts[i] for i in which])
    assert nats[0] == pytest.approx(-float(plain[0][0].logprobs.sum()), rel=1e-3)
    assert tokens.tolist() == [len(o[0].ids) for o in out]
    assert len(heads) == 2
    found = steered.choose(which, {"resid_post.0": d}, (1.0, 50.0), 0.0)
    assert found.tried["strength"].tolist() == [1.0, 50.0]
    assert found.site == "resid_post.0"
    rise = steered.rise(
        which, {"own": [o[0] for o in out], "pushed": [o[1] for o in out]}, "pushed", "own"
    )
    old, new = (sum(x) for x in steered.losses(which)), [steered.losses(which, [o[1] for o in out])]
    (a, n), (b, m) = tuple(old), tuple(sum(x) for x in new[0])
    assert rise.value == pytest.approx(np.exp(b / m - a / n) - 1, rel=1e-5)
    assert rise.beside[0].name == "own"
