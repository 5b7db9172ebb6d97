"""Pairs of answers: their scores are those of plain passes; own answers are what the model says,
and its states there.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.model.continuations import continuations
from inscape.model.model import Model
from inscape.outcomes.paired_answers import (
    PairedAnswers,
    all_tokens,
    answering,
    own_answers,
)
from tests.model import nets

PROMPTS = ["the capital is", "a river runs in the"]
SITES = ["resid_post.0", "resid_post.2"]
ONES, OTHERS = ["good !", "Paris rises ."], ["bad film .", "London ."]


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


def loss(model: Model, prompt: str, answer: str) -> float:
    """Mean loss of an answer's tokens, from one plain pass."""
    ids = model.tokenize([f"{prompt} {answer}"])[0].ids
    n = len(model.tokenize([prompt])[0])
    logs = (
        model.run({"input_ids": torch.from_numpy(ids)[None]}, logits=True).logits[0].log_softmax(-1)
    )
    return float(-np.mean([float(logs[t - 1, ids[t]]) for t in range(n, len(ids))]))


def test_scores_are_those_of_plain_passes(model):
    found = PairedAnswers.of(model, PROMPTS, ONES, OTHERS).scores()
    wanted = [
        loss(model, p, b) - loss(model, p, a) for p, a, b in zip(PROMPTS, ONES, OTHERS, strict=True)
    ]
    assert found == pytest.approx(wanted, abs=1e-5)
    assert np.ptp(wanted) > 0.01
    assert PairedAnswers.of(model, PROMPTS, OTHERS, ONES).scores() == pytest.approx(-found)


def test_several_pairs_a_question_are_averaged_in_turn(model):
    found = PairedAnswers.of(model, PROMPTS[:1], ONES, OTHERS, each=2).scores()
    wanted = np.mean(
        [
            loss(model, PROMPTS[0], b) - loss(model, PROMPTS[0], a)
            for a, b in zip(ONES, OTHERS, strict=True)
        ]
    )
    assert found == pytest.approx([wanted], abs=1e-5)


def test_edits_act(model):
    asked = PairedAnswers.of(model, PROMPTS, ONES, OTHERS)
    pushed = asked.scores([Add(Scope("resid_post.1"), torch.ones(nets.D))])
    assert np.abs(pushed - asked.scores()).max() > 1e-3


def test_own_answers_are_greedy_and_their_tokens_are_kept(model):
    made = [several[0] for several in continuations(model, PROMPTS, 3)]
    found = own_answers(model, PROMPTS, 3)
    for tokens, prompt, one in zip(found, PROMPTS, made, strict=True):
        assert tokens.ids.tolist() == [*model.tokenize([prompt])[0].ids, *one.ids]
        assert tokens.text == prompt + one.text
        assert len(one.ids) > 1


def test_states_are_means_where_answers_are_foreseen_and_over_all_but_the_first(model):
    answered = own_answers(model, PROMPTS, 3)
    found, whole = answering(model, PROMPTS, answered, SITES), all_tokens(model, answered, SITES)
    assert found.shape == whole.shape == (2, 2, nets.D)
    for row, (prompt, tokens) in enumerate(zip(PROMPTS, answered, strict=True)):
        states = model.run({"input_ids": torch.from_numpy(tokens.ids)[None]}, SITES[1])[SITES[1]][
            0
        ].double()
        start = len(model.tokenize([prompt])[0])
        assert found[row, 1] == pytest.approx(
            states[start - 1 : len(tokens) - 1].mean(0).numpy(), abs=1e-5
        )
        assert whole[row, 1] == pytest.approx(states[1:].mean(0).numpy(), abs=1e-5)
    assert np.abs(found - whole).max() > 0.01


def test_refusals(model):
    with pytest.raises(ValueError, match="answers in pairs, got 2, 2 and 1"):
        PairedAnswers.of(model, PROMPTS, ONES, OTHERS[:1])
    with pytest.raises(ValueError, match="answers in pairs, got 0, 2 and 2"):
        PairedAnswers.of(model, [], ONES, OTHERS)
