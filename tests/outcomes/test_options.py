"""The probabilities of answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.open import open
from inscape.outcomes.options import ChatQuestion, option_scores, preferred_options
from tests.model import nets


@pytest.fixture(scope="module")
def model():
    return open(nets.net("llama"), tokenizer=nets.tokenizer())


@pytest.fixture(scope="module")
def examples():
    return Examples(pd.DataFrame({"text": ["the river", "a good film of Paris", "so on"]}), "text")


def test_options_are_scored_by_their_first_tokens(model, examples):
    found = option_scores(model, examples, ["river", "sea", "mountain"])
    assert found.shape == (3, 3)
    logits = model.run("the river", logits=True).logits[0, -1].double().log_softmax(dim=0)
    ids = [
        model.tokenizer(f" {w}", add_special_tokens=False)["input_ids"][0]
        for w in ("river", "sea", "mountain")
    ]
    assert np.allclose(found[0], logits[torch.tensor(ids)], atol=1e-5)
    with pytest.raises(DataError, match="begins with the same token"):
        option_scores(model, examples, ["river", "river"])


def test_options_are_calibrated_where_the_other_folds_are_answered_better_so():
    rng = np.random.default_rng(0)
    y, folds = rng.integers(0, 3, 90), np.arange(90) % 3
    fair = np.eye(3)[y] + 0.1 * rng.normal(size=(90, 3))
    frequent = fair + np.array([5.0, 0.0, 0.0])
    assert (frequent.argmax(axis=1) == y).mean() < 0.5
    for scores in (fair, frequent):
        assert (preferred_options(scores, y, folds) == y).mean() == 1.0


def test_a_question_in_a_chat_is_that_of_its_template(model, examples):
    question = ChatQuestion("{system} : {text} {ask}", "is it {options} ?", " it is a")
    options, y, folds = ("river", "sea", "mountain"), np.array([0, 1, 2]), np.array([0, 1, 1])
    template = question.template("the", options)
    assert template == "the : {} is it river, sea or mountain ? it is a"
    assert question.before("the") == "the : {} "
    found = question.answers(model, examples, options, y, system="the", folds=folds)
    scores = option_scores(model, examples.with_prompt(template), options)
    assert found.tolist() == preferred_options(scores, y, folds).tolist()


def test_a_choice_needs_other_folds_and_scores():
    scores, y = np.ones((4, 2)), np.zeros(4, dtype=int)
    for wrong, folds in ((scores, np.zeros(4, dtype=int)), (np.full((4, 2), np.nan), np.arange(4))):
        with pytest.raises(ValueError, match="needs two folds or more, by the others of which"):
            preferred_options(wrong, y, folds)
