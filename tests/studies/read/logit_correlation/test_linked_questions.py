"""Linked questions: links as indices, themes kept apart, logits those of the model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import DataError
from inscape.data.card import read_card
from inscape.data.load import SETS, load
from inscape.model.model import Model
from inscape.studies.read.logit_correlation.linked_questions import (
    answer_logits,
    each,
    pairs,
    people,
    questions,
)
from tests.model import nets

TABLE = pd.DataFrame(
    {
        "question": ["city", "city", "country", "country", "taste", "taste"],
        "template": ["{} is in"] * 2 + ["{} is of"] * 2 + ["{} is a"] * 2,
        "answer": ["Paris", "London", "sea", "river", "good", "bad"],
        "links": ["country=sea", "country=river;weather=rain", "", "", "", ""],
        "text": list("abcdef"),
    }
)


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


def table(frame=TABLE):
    return load(frame, input="text", labels=["answer"], group="question")


def test_links_are_pairs_of_answers_and_unknown_ones_are_left_out(model):
    found = questions(model, table())
    assert found["city"].links["country"].tolist() == [[0, 0], [1, 1]]
    assert set(found["city"].links) == {"country"}
    assert [model.tokenizer.decode([t]) for t in found["city"].tokens] == ["Paris", "London"]
    linked, apart = pairs(found)
    assert linked == [("city", "country")]
    assert apart == [("city", "taste")]


def test_answers_of_one_first_token_count_once(model):
    rows = [
        *TABLE.to_dict("records"),
        {**TABLE.iloc[0].to_dict(), "answer": "Paris river", "text": "g"},
    ]
    assert questions(model, table(pd.DataFrame(rows)))["city"].answers == ("Paris", "London")
    with pytest.raises(DataError, match="has 1 answers that differ"):
        questions(model, table(TABLE.iloc[:5]))


def test_logits_are_the_models_own(model):
    found = questions(model, table())
    out = answer_logits(model, found["city"], ["the mountain", "it"])
    whole = model.run("the mountain is in", logits=True).logits[0, -1].double().numpy()
    assert np.allclose(out[0], whole[found["city"].tokens], atol=1e-4)
    other = answer_logits(model, found["city"], ["it"], np.array([3]))
    assert other.shape == (1, 1)
    assert each(found, lambda q: q.tokens)["taste"].shape == (2,)


def test_the_built_in_table_links_cities_to_countries():
    e = load("linked-questions")
    assert e.card == read_card(SETS / "linked_questions.py")
    assert not e.frame.duplicated(["question", "answer"]).any()
    answers = set(zip(e.frame["question"], e.frame["answer"], strict=True))
    for text in e.frame["links"]:
        for link in filter(None, text.split(";")):
            assert tuple(link.split("=")) in answers, link
    row = e.frame.set_index(["question", "answer"]).loc[("city", "Kyoto")]
    assert row["links"] == "country=Japan;language=Japanese;continent=Asia"
    assert (e.frame["question"] == "country").sum() >= 50


def test_names_are_made_up_and_differ():
    names = people(200, rng=np.random.default_rng(0))
    assert len(set(names)) == 200
    assert all(len(name.split()) == 2 for name in names)
    with pytest.raises(DataError, match="made-up names, and 99999 were asked for"):
        people(99999, rng=np.random.default_rng(0))
