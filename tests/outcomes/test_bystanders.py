"""Bystanders: hits are counted as a slow count has them, with and without an intervention."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.bystanders import foreseen, task
from inscape.outcomes.scratchpads import SCRATCHPAD, Reasoner
from inscape.worlds.small_llama import small_llama, word_tokenizer

WORDS = ["[PAD]", "=>", *(f"w{i}" for i in range(20))]


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(
        small_llama(len(WORDS), 16, 1, initializer_range=0.5), word_tokenizer(WORDS), "toy"
    )


def push(rows, positions, phase):
    v = torch.stack([8 * torch.linspace(-2, 3, 16).sin() * (int(i) % 2) for i in rows])[:, None]
    return [Add(Scope("resid_post.0", positions, phase), v)]


def test_tokens_foreseen_are_those_of_single_passes(model):
    texts = ["w1 w2 w3 w4", "w5 w6", "w7 w8 w9 w1 w2"]
    frame = pd.DataFrame({"text": texts})
    hits, whole = foreseen(Examples(frame, "text")).hits(None, SCRATCHPAD, model)
    guessed = []
    for text in texts:
        ids = model.tokenize([text])[0].ids
        best = model.run(text, logits=True).logits[0].argmax(dim=-1).numpy()
        guessed.append(float((best[:-1] == ids[1:]).sum()))
        follow = " ".join([WORDS[i] for i in ids[:1]] + [WORDS[i] for i in best[:1]])
        frame.loc[len(frame)] = follow  # the second word of these is the one foreseen
    assert hits.tolist() == guessed
    assert whole.tolist() == [3, 1, 4]
    sure = foreseen(Examples(frame.iloc[3:], "text"))
    assert sure.hits(None, SCRATCHPAD, model)[0].tolist() == [1, 1, 1]
    # an intervention of each row's own
    assert sure.hits(push, SCRATCHPAD, model)[0].tolist() == [1, 0, 1]


def test_right_answers_are_those_given(model):
    reasoner = Reasoner(model, " =>", 4, 2)
    prompts = ["w1 w2 ", "w3 w4 ", "w5 w6 "]
    said = reasoner.answer(reasoner.write(prompts))
    frame = pd.DataFrame(
        {"prompt": prompts, "answer": [said[0].upper(), said[1].split()[0], "elsewhere"]}
    )
    beside = task(reasoner, Examples(frame, "prompt"))
    hits, whole = beside.hits(None, SCRATCHPAD, model)
    assert hits.tolist() == [1, 1, 0]
    assert whole.tolist() == [1, 1, 1]
    assert beside.groups().tolist() == [0, 1, 2]
    other = Model(small_llama(len(WORDS), 16, 5, initializer_range=0.5), model.tokenizer, "other")
    assert beside.hits(None, SCRATCHPAD, other)[0].tolist() != [1, 1, 0]
