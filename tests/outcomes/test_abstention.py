"""Answers are right, wrong or abstain; rows of their own steer questions apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.abstention import Judge, balanced, shifted
from inscape.worlds.small_llama import small_llama, word_tokenizer

JUDGE = Judge(("unknown", "I don't know"), 1, ".")


def questions(answers):
    frame = pd.DataFrame({"prompt": ["a"] * len(answers), "answers": answers})
    return Examples(frame, "prompt", ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Lima.", [1, 0, 0]),
        ("Quito", [0, 1, 0]),
        ("It is Unknown to me", [0, 0, 1]),
        ("I don't know, maybe Lima", [0, 0, 1]),  # who abstains is not right
        ("unknowns", [0, 1, 0]),  # whole words only
        (" \n", [0, 0, 0]),
    ],
)
def test_each_answer_is_one_of_three_or_nothing(text, said):
    assert (
        JUDGE.said(questions(["Lima|Ciudad de los Reyes"]), [text])[:, 0].astype(int).tolist()
        == said
    )


def test_each_question_is_steered_by_its_own_row():
    words = ["[PAD]", "a", "unknown", "Lima", "Quito"]
    model = Model(small_llama(5, 16, 0), word_tokenizer(words), "toy")
    asked = questions(["Lima", "Lima", "Lima"])
    layer = len(model.atlas.blocks) - 1
    rows = 100 * model.net.lm_head.weight.detach()[[2, 3, 4]].double().numpy()
    plain = JUDGE.ask(model, asked)
    assert (plain == plain[:, :1]).all()  # alike, as the prompts are
    found = JUDGE.ask(model, asked, shifted(f"resid_post.{layer}", rows))
    assert found.astype(int).T.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert torch.equal(
        model.run(["a"], logits=True).logits, model.run(["a"], logits=True, edits=[]).logits
    )


def test_balanced_weighs_known_and_unknown_alike():
    said = np.array([[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=bool)
    unknown = np.array([False, False, False, True])
    assert balanced(said, unknown) == 0.5
    assert balanced(said, ~unknown) == 0.0
    assert balanced(said[:, :3], unknown[:3]) == 1.0
    assert balanced(said[:, :0], unknown[:0]) == 0.0
